"""Detection of ranks that hang or fail: status files, a watchdog thread and a guard process for each rank."""
