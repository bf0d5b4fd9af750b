#!/bin/sh
# Remember and ask with curl. Needs a running `lmort-mem serve`.
#
#     sh examples/serve/curl.sh
set -e
url=${LMORT_URL:-http://127.0.0.1:7373}
token=$(lmort-mem serve --show-token 2>/dev/null)

post() {
    curl --silent --show-error --fail "$url$1" \
        -H "Authorization: Bearer $token" -H "Content-Type: application/json" -d "$2"
    echo
}

post /api/records '{"text": "My sister Ada keeps bees in Trondheim."}'
post /v1/chat/completions '{
    "model": "lmort+memory",
    "messages": [{"role": "user", "content": "Where does my sister live?"}],
    "max_tokens": 40
}'
