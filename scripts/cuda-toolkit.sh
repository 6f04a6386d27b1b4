#!/usr/bin/env bash
# A CUDA toolkit to build with. Source it from bash after env.sh: it takes the nvcc in PATH or
# CUDA_HOME, and where there is none puts one into the user's cache (scripts/cuda/requirements.txt,
# some GB). No root, no card, no driver is needed. It sets
#   CUDA_HOME, CUDA_PATH, NVCC, PATH, LIBRARY_PATH  for the build
#   CUDA_COMPUTE_CAP   that of the first card; without one 80, which runs on any card since Ampere
#   CUDA_LIBRARIES     where cuBLAS and its like lie, for LD_LIBRARY_PATH at run time
#   CUDA_STUBS         an empty driver: a libcuda.so.1 whose every function says that it is a stub

_cuda_needs="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/cuda/requirements.txt"
_cuda_cache="${XDG_CACHE_HOME:-$HOME/.cache}/aiarena/cuda-$(sha256sum "$_cuda_needs" | cut -c 1-12)"

# Puts the toolkit into the cache; a folder that is half made is made again.
_cuda_install() {
    local toolkit
    if [ ! -f "$_cuda_cache/complete" ]; then
        printf 'cuda: installing nvcc and its libraries in %s (some GB)\n' "$_cuda_cache" >&2
        python3 -m venv --clear "$_cuda_cache" || return 1
        "$_cuda_cache/bin/python" -m pip install --quiet --disable-pip-version-check \
            --only-binary=:all: --no-deps --requirement "$_cuda_needs" || return 1
        touch "$_cuda_cache/complete"
    fi
    toolkit="$(echo "$_cuda_cache"/lib/python3*/site-packages/nvidia/cu13)"
    [ -x "$toolkit/bin/nvcc" ] || return 1
    export CUDA_HOME="$toolkit"
    CUDA_LIBRARIES="$toolkit/lib"
}

# Takes the toolkit that is installed.
_cuda_installed() {
    local nvcc
    nvcc="$(command -v "${CUDA_HOME:+$CUDA_HOME/bin/}nvcc" || command -v nvcc)" || return 1
    CUDA_HOME="$(cd "$(dirname "$(readlink -f "$nvcc")")/.." && pwd)"
    export CUDA_HOME
    CUDA_LIBRARIES="$CUDA_HOME/lib64"
    [ -d "$CUDA_LIBRARIES" ] || CUDA_LIBRARIES="$CUDA_HOME/lib"
}

# The packages have libcublas.so.13 and no libcublas.so, which is what a linker looks for.
_cuda_link() {
    local links="$1" library name
    mkdir -p "$links"
    for library in "$CUDA_LIBRARIES"/*.so.*; do
        name="$(basename "$library")"
        ln -sf "$library" "$links/${name%%.so.*}.so"
    done
}

# A driver to link against, from the names that cudarc knows.
_cuda_stub() {
    local stubs="$1" manifest
    manifest="$(cargo metadata --locked --format-version 1 --all-features |
        python3 -c 'import json, sys
print(*(p["manifest_path"] for p in json.load(sys.stdin)["packages"] if p["name"] == "cudarc"))')"
    [ -f "$manifest" ] || return 1
    mkdir -p "$stubs"
    # 34 is CUDA_ERROR_STUB_LIBRARY.
    grep -ohE 'fn cu[A-Z][A-Za-z0-9_]*' "$(dirname "$manifest")/src/driver/sys/mod.rs" | sort -u |
        sed 's/fn \(.*\)/int \1(void) { return 34; }/' >"$stubs/driver.c" || return 1
    "${CC:-cc}" -shared -fPIC -Wl,-soname,libcuda.so.1 -o "$stubs/libcuda.so.1" "$stubs/driver.c" &&
        ln -sf libcuda.so.1 "$stubs/libcuda.so"
}

_cuda_capability() {
    local capability
    capability="$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | head -n 1)"
    capability="${capability//./}"
    printf '%s\n' "${capability:-80}"
}

_cuda_installed || _cuda_install || {
    printf 'cuda: FAILED: no nvcc, and none could be installed\n' >&2
    exit 1
}
_cuda_work="${XDG_CACHE_HOME:-$HOME/.cache}/aiarena/cuda-link"
CUDA_STUBS="$_cuda_work/stubs"
_cuda_link "$_cuda_work/libraries"
_cuda_stub "$CUDA_STUBS" || {
    printf 'cuda: FAILED: no stub of the driver to link against\n' >&2
    exit 1
}
export CUDA_PATH="$CUDA_HOME" NVCC="$CUDA_HOME/bin/nvcc" PATH="$CUDA_HOME/bin:$PATH"
export LIBRARY_PATH="$_cuda_work/libraries:$CUDA_STUBS${LIBRARY_PATH:+:$LIBRARY_PATH}"
export CUDA_COMPUTE_CAP="${CUDA_COMPUTE_CAP:-$(_cuda_capability)}"
export CUDA_LIBRARIES CUDA_STUBS

unset _cuda_needs _cuda_cache _cuda_work
unset -f _cuda_install _cuda_installed _cuda_link _cuda_stub _cuda_capability
