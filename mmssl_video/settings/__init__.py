"""Reading configs, and everything that can be said of them before a run."""
