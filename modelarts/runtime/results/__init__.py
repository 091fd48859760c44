"""Output folders of inference jobs: owned by one job at a time, uploaded to OBS while it runs."""
