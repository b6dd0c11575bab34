"""Random lives of servers: what is drawn, done and compared after each step.

`verbs` has all that may happen, one function each; `world` the cloud, and
what it believes of its servers; `oracle` what has to be so after each step;
`life` draws the steps from a seed.
"""
