"""Reads a mail from standard input with Python's own parser; prints headers and parts as JSON."""

import base64
import email
import email.policy
import json
import sys

mail = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)


def part(part):
    content = part.get_payload(decode=True)
    text = part.get_content() if part.get_content_maintype() == "text" else None
    return {
        "type": part.get_content_type(),
        "file": part.get_filename(),
        "text": text,
        "base64": base64.b64encode(content).decode(),
        "defects": [str(defect) for defect in part.defects],
    }


print(
    json.dumps(
        {
            "headers": [[name, str(value)] for name, value in mail.items()],
            "defects": [str(defect) for defect in mail.defects]
            + [str(defect) for value in mail.values() for defect in value.defects],
            "multiparts": [p.get_content_type() for p in mail.walk() if p.is_multipart()],
            "parts": [part(p) for p in mail.walk() if not p.is_multipart()],
        }
    )
)
