"""A scanner written from the description of the format alone: `scanner.py JWKS < TEXT` prints what a ticket says.

Ends with 1 and a reason if it is not good.
"""

import base64
import json
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

keys = {}
for jwk in json.loads(sys.argv[1])["keys"]:
    assert (jwk["kty"], jwk["crv"]) == ("OKP", "Ed25519")
    keys[bytes.fromhex(jwk["kid"])] = base64.urlsafe_b64decode(jwk["x"] + "=")

text = sys.stdin.read().strip()
if not text.startswith("TGT1."):
    sys.exit("not a ticket")
code = text.removeprefix("TGT1.")
data = base64.b32decode(code + "=" * (-len(code) % 8))
if data[0] != 1:
    sys.exit("another version")
key = keys.get(data[1:5])
if key is None:
    sys.exit("unknown key")
try:
    Ed25519PublicKey.from_public_bytes(key).verify(data[-64:], data[:-64])
except InvalidSignature:
    sys.exit("forged")
length = data[33]
assert len(data) == 34 + length + 64
print(
    json.dumps(
        {
            "ticket": data[5:21].hex(),
            "generation": int.from_bytes(data[21:25], "big"),
            "showtime": int.from_bytes(data[25:33], "big"),
            "seat": data[34 : 34 + length].decode(),
        }
    )
)
