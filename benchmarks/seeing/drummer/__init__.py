"""A drummer to look at: a performance with hands becomes moving arms, a picture and a film.

`playing` makes performances, `body` moves the limbs, `camera` draws them, `film` writes the file.
The rendered player is a stick figure with flesh: it serves sync, shots, views and regions; networks
that look for people do not take it for one.
"""
