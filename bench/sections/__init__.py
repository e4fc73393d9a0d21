"""What is measured, one file a section; each `measure` says on standard error what it saw, and returns the samples."""
