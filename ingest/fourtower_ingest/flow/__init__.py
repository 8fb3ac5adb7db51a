"""What is made of records between reading and committing them: a state machine without a clock, IO or threads."""
