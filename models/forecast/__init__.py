"""When an open deal will be won and for how much, and what many deals come to: distributions that sum up.

`closing` says when, `amounts` for how much, `dispersion` how far deals go together, `sums` what they come to; `model`
is all of it for one deal.
"""
