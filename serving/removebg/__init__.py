"""remove.bg's HTTP API, so that its clients need a new base URL and nothing else.

    body          multipart, urlencoded or JSON -> fields, and the bytes of images
    base64_text   base64 that arrives in pieces -> bytes
    parameters    fields -> what is asked for, with remove.bg's names, defaults and codes
    errors        our errors -> remove.bg's shape, codes and statuses
    results       a composed image -> remove.bg's bytes, JSON and headers
    routes        POST /v1.0/removebg and GET /v1.0/account
    schema        both routes in the OpenAPI document

Admission, keys, the memory budget, the guard of downloads and the pipeline are those of the native
routes. docs/removebg.md lists what differs from remove.bg.
"""
