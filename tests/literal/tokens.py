"""App-signed tokens: JWTs of PROTOCOL.md section 8, and deliberately wrong ones. HS256 and its like
with the standard library alone; EdDSA by a key object that the caller brings."""

import base64
import hashlib
import hmac
import json
import time

HASHES = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def sign(secret, user, ttl_s=3600, alg="HS256", header=None, **claims):
    """A JWT for `user` that ends in `ttl_s`. A claim given as None is left out: exp=None. `secret`:
    text or bytes, or a private key whose sign() takes the text."""
    head = {"alg": alg, "typ": "JWT", **(header or {})}
    body = {"sub": user, "exp": int(time.time()) + ttl_s, **claims}
    return sign_parts(secret, head, {k: v for k, v in body.items() if v is not None})


def sign_parts(secret, head, body):
    signed = base64url(json.dumps(head).encode()) + "." + base64url(json.dumps(body).encode())
    if hasattr(secret, "sign"):
        return signed + "." + base64url(secret.sign(signed.encode()))
    key = secret.encode() if isinstance(secret, str) else secret
    digest = HASHES.get(head.get("alg"), hashlib.sha256)
    return signed + "." + base64url(hmac.new(key, signed.encode(), digest).digest())
