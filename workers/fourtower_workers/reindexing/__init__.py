"""Builds the next generation of an index beside the live one, and makes it live when it is as good.

`planning` says how it differs, `starting` begins it and notes where its consumers begin, `seeding` fills it from the
live one (`copying`, or workers that encode anew; `filling` puts that together), and `seeded` has patches wait until
that is done. `standing` tells how all generations are, `verifying` whether the next one is as good, `switching` moves
the alias, `dropping` forgets a generation.
"""
