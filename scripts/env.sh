#!/usr/bin/env bash
# Build environment of the workspace. Source it from bash: it prints nothing,
# may be sourced any number of times, and leaves alone what is already set.

_arena_root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
_arena_home=~

_arena_bin="${CARGO_HOME:-$_arena_home/.cargo}/bin"
if [ -d "$_arena_bin" ]; then
    case ":${PATH:-}:" in
        *":$_arena_bin:"*) ;;
        *) export PATH="$_arena_bin${PATH:+:$PATH}" ;;
    esac
fi

# Outside of the checkout, so that several checkouts share third-party crates.
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$_arena_home/.cache}/aiarena/target}"
# Links the system's OpenSSL instead of compiling one.
export OPENSSL_NO_VENDOR=1
# With a target directory elsewhere, the wasm build finds Cargo.lock only by this.
export WASM_BUILD_WORKSPACE_HINT="$_arena_root"

# The runtime is compiled by the default toolchain if that has the wasm target,
# else by the one that setup.sh names arena-wasm.
_arena_has_wasm_target() {
    local sysroot
    sysroot="$(cd "$_arena_root" && rustc --print sysroot 2>/dev/null)" || return 1
    compgen -G "$sysroot/lib/rustlib/wasm32v1-none/lib/libcore-*.rlib" >/dev/null
}

_arena_has_wasm_toolchain() {
    local names
    names="$(rustup toolchain list 2>/dev/null)" || return 1
    case $'\n'"$names" in
        *$'\n'arena-wasm*) return 0 ;;
        *) return 1 ;;
    esac
}

if [ -z "${WASM_BUILD_TOOLCHAIN:-}" ] && ! _arena_has_wasm_target && _arena_has_wasm_toolchain; then
    export WASM_BUILD_TOOLCHAIN=arena-wasm
fi

unset _arena_root _arena_home _arena_bin
unset -f _arena_has_wasm_target _arena_has_wasm_toolchain
