"""Make a tuner for any model in minutes: the code behind `lmort-mem tuner make`."""
