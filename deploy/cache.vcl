# A cache of signed links (docs/links.md) in front of the service: varnishd -f deploy/cache.vcl.
# Replace background-remover by the service's address.
vcl 4.1;

import std;

backend default {
    .host = "background-remover";
    .port = "8000";
    .connect_timeout = 1s;
    # Longer than BGR_DEADLINE, after which the service itself responds.
    .first_byte_timeout = 30s;
}

acl purgers {
    "localhost";
}

sub vcl_recv {
    if (req.method == "PURGE") {
        if (client.ip !~ purgers) {
            return (synth(405));
        }
        return (purge);
    }
    if (req.url !~ "^/remove-background\?" || (req.method != "GET" && req.method != "HEAD")) {
        return (pass);
    }
    # Who asks makes no difference to the response.
    unset req.http.Cookie;
    unset req.http.Authorization;
    # Equal links that are ordered differently are one object.
    set req.url = std.querysort(req.url);
    return (hash);
}

sub vcl_hash {
    # The same link at another host name is the same image.
    hash_data(req.url);
    return (lookup);
}

sub vcl_backend_response {
    # Varnish takes `grace` from stale-while-revalidate. Its own default would outlast a link.
    if (beresp.http.Cache-Control !~ "stale-while-revalidate") {
        set beresp.grace = 0s;
    }
    set beresp.keep = 0s;
}

sub vcl_deliver {
    if (obj.hits > 0) {
        set resp.http.X-Cache = "HIT";
    } else {
        set resp.http.X-Cache = "MISS";
    }
}
