"""Planning: a task file for data of one's own, by rules that say what they stand on."""
