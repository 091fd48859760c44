"""Where an inference job's results go: one job at a time in an output folder, delivered to OBS while it works."""
