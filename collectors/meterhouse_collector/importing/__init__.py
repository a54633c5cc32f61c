"""What `import` understands: every module of this package is one kind, listed nowhere.

A kind has `ABOUT` (one line of help), `arguments(parser)`, and `load(options, inlets)`, which takes drafts through
`inlets(source, channel)` (inlet.Inlets) and raises CollectorError for what a user can mend. `load` may commit on the way;
the command commits at the end, seals and ships.
"""
