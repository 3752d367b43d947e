"""Data sets: public records of real sales work, and simulated ones, loaded into a tenant as if they had happened in it.

One file per data set turns files into a `Dataset`; `load` writes it through the outbox. Whether a column may be
loaded at all is decided in the file of its data set: what gives the answer away never leaves it.
"""
