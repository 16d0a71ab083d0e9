"""The knee: the highest rate at which all gates hold, how it is looked for, and what limits there."""
