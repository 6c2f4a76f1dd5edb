"""What APScheduler starts."""
