"""Noticing ranks that hang or fail: status files, and a process beside each rank that ends it when it must."""
