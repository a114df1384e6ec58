"""What each job is given, where its result lies, and whether it is out of date."""
