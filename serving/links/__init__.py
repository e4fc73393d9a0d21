"""Signed links: a GET whose URL is the request, for pages and caches.

    canonical       the raw query of a URL -> fields, and back in the one form that is signed
    signature       signs links, and checks their signatures and expiry
    cache           the headers that caches read: Cache-Control, ETag, Content-Disposition
    single_flight   equal requests share one run of the pipeline
    endpoint        GET and HEAD /remove-background

Limits, the guard of downloads and the pipeline are those of POST /remove-background. docs/links.md
defines the signature to the byte.
"""
