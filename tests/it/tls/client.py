"""A client with Python's ssl: does what its argument says in JSON, and prints what came of it."""

import json
import socket
import ssl
import sys

wish = json.loads(sys.argv[1])
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.load_verify_locations(wish["ca"])
context.check_hostname = wish["name"] is not None
context.minimum_version = context.maximum_version = ssl.TLSVersion[wish["version"]]
if wish["alpn"]:
    context.set_alpn_protocols(wish["alpn"])
if wish["identity"]:
    context.load_cert_chain(*wish["identity"])


def exchange(session):
    told = {}
    with socket.create_connection((wish["address"], wish["port"]), timeout=20) as raw:
        try:
            tls = context.wrap_socket(raw, server_hostname=wish["name"], session=session)
            told |= {"version": tls.version(), "alpn": tls.selected_alpn_protocol()}
            tls.sendall(b"hello")
            told["heard"] = tls.recv(5).decode()
            told["resumed"] = tls.session_reused
            # Tickets have come with the answer.
            session = tls.session
            if wish["end"] == "unwrap":
                # close_notify, and theirs is waited for.
                tls.unwrap().close()
            elif wish["end"] == "hear":
                # Theirs is waited for, and none said.
                told["more"] = tls.recv(1).decode()
                tls.close()
            else:
                tls.close()
        except ssl.SSLError as error:
            told["error"] = str(error)
    return told, session


session, rounds = None, []
for _ in range(wish["rounds"]):
    told, session = exchange(session)
    rounds.append(told)
print(json.dumps(rounds))
