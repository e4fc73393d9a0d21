"""URL -> bytes, from public addresses only, within limits of bytes and seconds.

url.py          is this URL allowed? pure, before anything is looked up
addresses.py    is this address public? pure
network.py      resolves a name, checks every address, connects
read_limit.py   bounds what is read from a connection
download.py     sends the request, follows redirects, reads the body
"""
