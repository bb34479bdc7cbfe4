#!/bin/sh
# Makes certificates to try the examples with, and writes them to standard output as Secrets:
#
#   sh config/examples/tls/certificates.sh | sluice run config/examples/tls/terminate.yaml -
#
# With a folder as its argument it also leaves files there, named as Istio names them. Needs openssl.
set -eu

work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
folder=${1:-}
cd "$work"

certificate() { # name, extensions
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$1" \
        -keyout "$1.key" -out "$1.csr" 2>/dev/null
    printf '%s\n' "$2" >"$1.ext"
    openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 \
        -extfile "$1.ext" -out "$1.crt" 2>/dev/null
}

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=example authority" \
    -days 30 -keyout ca.key -out ca.crt 2>/dev/null
certificate server "subjectAltName=DNS:*.example.com,DNS:internal-host,URI:spiffe://cluster.local/ns/default/sa/orders"
certificate client "subjectAltName=URI:spiffe://cluster.local/ns/default/sa/client"
# Nobody is revoked yet.
: >index.txt
echo 01 >number
printf '[ca]\ndefault_ca=a\n[a]\ndatabase=index.txt\ncrlnumber=number\ndefault_md=sha256\ndefault_crl_days=30\n' >ca.conf
openssl ca -gencrl -config ca.conf -cert ca.crt -keyfile ca.key -out crl.pem 2>/dev/null

if [ -n "$folder" ]; then
    cd "$OLDPWD"
    mkdir -p "$folder"
    cp "$work/server.crt" "$folder/cert-chain.pem"
    cp "$work/server.key" "$folder/key.pem"
    cp "$work/ca.crt" "$folder/root-cert.pem"
    cd "$work"
fi

secret() { # name, type, key=file…
    printf -- '---\napiVersion: v1\nkind: Secret\nmetadata:\n  name: %s\ntype: %s\nstringData:\n' "$1" "$2"
    shift 2
    for entry in "$@"; do
        printf '  %s: |\n' "${entry%%=*}"
        sed 's/^/    /' "${entry#*=}"
    done
}

secret ca Opaque ca.crt=ca.crt
secret revoked Opaque crl.pem=crl.pem
secret server-cert kubernetes.io/tls tls.crt=server.crt tls.key=server.key
secret client-cert kubernetes.io/tls tls.crt=client.crt tls.key=client.key
