#!/bin/sh
# Makes .env for docker-compose.yml: .env.example with a random value for each empty secret. Never overwrites one.
# Usage: sh deploy/compose/make-env.sh [FILE]      FILE: .env at the top of the repository
set -eu
cd "$(dirname "$0")/../.."
env=${1:-.env}
if [ -e "$env" ]; then
  echo "$env is there already. Remove it for new secrets; the databases keep their old passwords, so remove their volumes too." >&2
  exit 1
fi
umask 077
while IFS= read -r line; do
  case $line in
    [A-Z]*=) printf '%s%s\n' "$line" "$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')" ;;
    *) printf '%s\n' "$line" ;;
  esac
done < .env.example > "$env.making"
mv "$env.making" "$env"
echo "Made $env with new secrets. Next: docker compose up -d"
