"""The Oops task: when in a video an action turns unintentional."""
