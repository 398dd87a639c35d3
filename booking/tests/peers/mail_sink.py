"""An SMTP server (aiosmtpd) on a free port that takes mail and prints what it got, one JSON object a line.

The first line is {"port": N}. Ends when its standard input does, so that it never outlives the test.

--cert FILE --key FILE   offer STARTTLS          --smtps   speak TLS from the start instead
--login USER:PASSWORD    ask for this login      --reply COMMAND=REPLY   answer RCPT or DATA so
--stall-first            never answer the first mail's DATA
"""

import argparse
import asyncio
import base64
import json
import os
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

ask = argparse.ArgumentParser()
ask.add_argument("--cert")
ask.add_argument("--key")
ask.add_argument("--smtps", action="store_true")
ask.add_argument("--login")
ask.add_argument("--reply")
ask.add_argument("--stall-first", action="store_true")
args = ask.parse_args()
reply_to, _, reply = (args.reply or "").partition("=")
stall = args.stall_first
connections = {"open": 0, "peak": 0, "total": 0}


def say(what):
    print(json.dumps(what), flush=True)


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if reply_to == "RCPT":
            return reply
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        global stall
        if stall:
            stall = False
            await asyncio.sleep(3600)
        if reply_to == "DATA":
            return reply
        login = session.auth_data.login.decode() if session.authenticated else None
        say(
            {
                "from": envelope.mail_from,
                "to": envelope.rcpt_tos,
                "tls": session.ssl is not None or args.smtps,
                "login": login,
                "mail": base64.b64encode(envelope.original_content).decode(),
                "connections": connections,
            }
        )
        return "250 OK"


def authenticate(server, session, envelope, mechanism, data):
    user, _, password = args.login.partition(":")
    good = isinstance(data, LoginPassword) and (data.login.decode(), data.password.decode()) == (user, password)
    return AuthResult(success=good, handled=False, auth_data=data)


class Server(SMTP):
    # A handshake of STARTTLS comes through here a second time.
    def connection_made(self, transport):
        if self.transport is None:
            connections["total"] += 1
            connections["open"] += 1
            connections["peak"] = max(connections["peak"], connections["open"])
        super().connection_made(transport)

    def connection_lost(self, error):
        connections["open"] -= 1
        super().connection_lost(error)


async def main():
    context = None
    if args.cert:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(args.cert, args.key)
    options = {"enable_SMTPUTF8": False, "loop": asyncio.get_running_loop()}
    if context and not args.smtps:
        options["tls_context"] = context
    if args.login:
        options |= {"authenticator": authenticate, "auth_required": True, "auth_require_tls": not args.smtps}
    server = await asyncio.get_running_loop().create_server(
        lambda: Server(Handler(), **options), "127.0.0.1", 0, ssl=context if args.smtps else None
    )
    say({"port": server.sockets[0].getsockname()[1]})
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    # Whoever is still connected, or stalled, is dropped with the process.
    sys.stdout.flush()
    os._exit(0)


asyncio.run(main())
