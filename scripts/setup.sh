#!/usr/bin/env bash
# Installs what a build needs: system packages, Rust from Debian where there is none, the wasm
# target of the runtime, cargo-nextest. Safe to run again: what is there already is only checked.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cd "$root"
# shellcheck source=scripts/env.sh
source scripts/env.sh

TARGET=wasm32v1-none
TOOLCHAIN=arena-wasm
PACKAGES=(clang libclang-dev protobuf-compiler cmake pkg-config libssl-dev
    ca-certificates curl git python3)
COMMANDS=(clang protoc cmake pkg-config curl git python3)
DEBIAN_RUST=(rustc-web cargo-web rust-web-src rust-web-llvm)

tmp="$(mktemp -d)"
trap 'rm -rf "$tmp"' EXIT
log="$tmp/log"
apt_updated=no

say() { printf 'setup: %s\n' "$*"; }
ok() { say "ok: $*"; }
fail() {
    printf 'setup: FAILED: %s\n' "$1" >&2
    [ -z "${2:-}" ] || printf 'setup: next: %s\n' "$2" >&2
    exit 1
}

# run WHAT NEXT COMMAND...: the command's output is shown only if it fails.
run() {
    local what="$1" next="$2"
    shift 2
    say "$what"
    if ! "$@" >"$log" 2>&1; then
        tail -n 25 "$log" | sed 's/^/    | /' >&2
        fail "$what" "$next"
    fi
}

# The first error in the log, else its last line.
reason() { grep -m 1 '^error' "$log" || tail -n 1 "$log"; }

have() { command -v "$1" >/dev/null 2>&1; }

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif have sudo; then
        sudo "$@"
    else
        echo "this needs root, and there is no sudo: $*" >&2
        return 1
    fi
}

# --- system packages

is_debian() { have apt-get && have dpkg-query; }

missing_packages() {
    local package status
    for package in "$@"; do
        # shellcheck disable=SC2016 # dpkg-query's own placeholder
        status="$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" || status=
        [ "$status" = installed ] || printf '%s\n' "$package"
    done
}

install_packages() {
    local list next
    list="$(missing_packages "$@")"
    [ -n "$list" ] || return 0
    # shellcheck disable=SC2206 # one package name per word
    list=($list)
    next="install as root by hand: apt-get install ${list[*]}"
    if [ "$apt_updated" = no ]; then
        run "apt-get update" "$next" as_root apt-get update -q
        apt_updated=yes
    fi
    run "installing ${list[*]}" "$next" \
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${list[@]}"
}

check_commands() {
    local command missing=()
    for command in "${COMMANDS[@]}"; do
        have "$command" || missing+=("$command")
    done
    [ "${#missing[@]}" -eq 0 ] || fail "not Debian or Ubuntu, and these commands are missing: ${missing[*]}" \
        "install them with this system's package manager, as well as the headers of libclang and OpenSSL"
}

setup_packages() {
    if is_debian; then
        install_packages "${PACKAGES[@]}"
        ok "system packages"
    else
        check_commands
        ok "system commands (not Debian or Ubuntu: the headers of libclang and OpenSSL are taken for granted)"
    fi
}

# --- Rust

# at_least VERSION MINIMUM
at_least() { printf '%s\n%s\n' "$2" "$1" | sort -V -C; }

setup_rust() {
    local need version get
    need="$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)"
    get="get Rust $need or newer: with rustup (https://rustup.rs), or in Debian: apt-get install ${DEBIAN_RUST[*]}"
    if ! have cargo && ! have rustc && is_debian; then
        say "there is no Rust: taking Debian's"
        install_debian_rust
        hash -r
    fi
    have cargo || fail "there is no cargo in PATH" "$get"
    have rustc || fail "there is no rustc in PATH" "$get"
    version="$(rustc --version 2>"$log" | cut -d ' ' -f 2)" || fail "rustc does not run: $(cat "$log")" "$get"
    at_least "$version" "$need" || fail "rustc $version is older than $need" "$get; or: rustup update"
    ok "rustc $version"
}

# --- the wasm target

# The compiler that the wasm build takes, as env.sh chose it.
wasm_rustc() {
    if [ -n "${WASM_BUILD_TOOLCHAIN:-}" ]; then
        rustup run "$WASM_BUILD_TOOLCHAIN" rustc "$@"
    else
        rustc "$@"
    fi
}

# Compiles and links for the target with core and alloc. With LTO, as it is
# LTO that fails on a library without bitcode.
probe() {
    cat >"$tmp/probe.rs" <<'RUST'
#![no_std]
extern crate alloc;
struct Null;
unsafe impl core::alloc::GlobalAlloc for Null {
    unsafe fn alloc(&self, _: core::alloc::Layout) -> *mut u8 { core::ptr::null_mut() }
    unsafe fn dealloc(&self, _: *mut u8, _: core::alloc::Layout) {}
}
#[global_allocator]
static NULL: Null = Null;
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! { loop {} }
#[no_mangle]
pub extern "C" fn probe(n: u32) -> usize { alloc::vec![n; n as usize].len() }
RUST
    wasm_rustc --edition 2021 --crate-type cdylib --target "$TARGET" -O -C lto=fat \
        -o "$tmp/probe.wasm" "$tmp/probe.rs"
}

uses_debian_rustc() {
    [ "${WASM_BUILD_TOOLCHAIN:-}" = "$TOOLCHAIN" ] || [ "$(command -v rustc)" = /usr/bin/rustc ]
}

debian_sysroot() { /usr/bin/rustc --print sysroot; }
debian_lib() { printf '%s/lib/rustlib/%s/lib\n' "$(debian_sysroot)" "$TARGET"; }
debian_stamp() { printf '%s/built-by\n' "$(debian_lib)"; }

# Library and compiler have to be of one build.
debian_build() {
    /usr/bin/rustc --version
    # shellcheck disable=SC2016 # dpkg-query's own placeholder
    dpkg-query -W -f='${Package} ${Version}\n' rustc-web 2>/dev/null || true
}

stamp_debian() {
    debian_build >"$tmp/stamp"
    as_root install -m 644 "$tmp/stamp" "$(debian_stamp)"
}

# No stamp is no verdict: the probe decides.
stale() {
    local stamp
    uses_debian_rustc || return 1
    stamp="$(debian_stamp)"
    [ -f "$stamp" ] && [ "$(cat "$stamp")" != "$(debian_build)" ]
}

ready() { ! stale && probe >"$log" 2>&1; }

# Chooses the compiler again after something was installed.
choose_toolchain() {
    [ "${WASM_BUILD_TOOLCHAIN:-}" != "$TOOLCHAIN" ] || unset WASM_BUILD_TOOLCHAIN
    # shellcheck source=scripts/env.sh
    source scripts/env.sh
}

add_by_rustup() {
    have rustup || return 1
    say "rustup target add $TARGET"
    if rustup target add "$TARGET" >"$log" 2>&1; then
        choose_toolchain
        ready && return 0
    fi
    say "rustup cannot give it here ($(reason))"
    return 1
}

# rust-lld is a link to the lld of one LLVM version, which is a package of its own.
install_debian_rust() {
    local linker
    is_debian || fail "no way to get the target $TARGET: rustup cannot, and this is not Debian" \
        "run 'rustup target add $TARGET' where rustup can download"
    install_packages "${DEBIAN_RUST[@]}"
    linker="$(readlink /usr/bin/rust-lld)" || fail "/usr/bin/rust-lld is not a link" "reinstall rust-web-llvm"
    install_packages "$(basename "$linker")"
}

build_core() (
    mkdir -p "$tmp/core/src"
    printf '#![no_std]\n' >"$tmp/core/src/lib.rs"
    printf '[package]\nname = "core-of-target"\nedition = "2021"\n[workspace]\n' >"$tmp/core/Cargo.toml"
    cd "$tmp/core" && env -u RUSTC_WRAPPER -u RUSTC_WORKSPACE_WRAPPER -u RUSTUP_TOOLCHAIN -u CARGO_ENCODED_RUSTFLAGS \
        PATH="/usr/bin:$PATH" RUSTC=/usr/bin/rustc CARGO_TARGET_DIR="$tmp/core/target" \
        RUSTFLAGS="-C embed-bitcode=yes" RUSTC_BOOTSTRAP=1 \
        /usr/bin/cargo build --release --target "$TARGET" -Z build-std=core,alloc
)

# Replaces the libraries; the stamp comes last, and only if all went well.
copy_core() {
    local from="$tmp/core/target/$TARGET/release/deps" to built
    to="$(debian_lib)"
    built=("$from"/libcore-*.rlib "$from"/liballoc-*.rlib "$from"/libcompiler_builtins-*.rlib)
    ls -l "${built[@]}" &&
        as_root mkdir -p "$to" &&
        as_root rm -f "$(debian_stamp)" &&
        as_root find "$to" -maxdepth 1 -name '*.rlib' -delete &&
        as_root install -m 644 "${built[@]}" "$to/" &&
        stamp_debian
}

link_toolchain() {
    if have rustup; then
        run "naming Debian's compiler $TOOLCHAIN" "rustup toolchain link $TOOLCHAIN $(debian_sysroot)" \
            rustup toolchain link "$TOOLCHAIN" "$(debian_sysroot)"
    elif [ "$(command -v rustc)" != /usr/bin/rustc ]; then
        fail "the target is installed for /usr/bin/rustc, but PATH finds $(command -v rustc)" \
            "put /usr/bin first in PATH, or install rustup"
    fi
}

add_by_debian() {
    install_debian_rust
    run "building core and alloc for $TARGET from rust-web-src (about a minute)" \
        "as root: apt-get install --reinstall ${DEBIAN_RUST[*]}, then run this again" build_core
    run "copying them to $(debian_lib)" "run this script as root" copy_core
    link_toolchain
    choose_toolchain
}

check_choice() {
    case "${WASM_BUILD_TOOLCHAIN:-}" in
        '' | "$TOOLCHAIN") ;;
        *) fail "WASM_BUILD_TOOLCHAIN=$WASM_BUILD_TOOLCHAIN cannot compile for $TARGET: $(reason)" \
            "unset it, or: rustup target add --toolchain $WASM_BUILD_TOOLCHAIN $TARGET" ;;
    esac
}

setup_wasm() {
    if ! ready; then
        check_choice
        add_by_rustup || add_by_debian
        run "compiling a probe for $TARGET" \
            "if it says 'another rustc': remove the libraries of $TARGET that it names, then run this again" probe
    fi
    if uses_debian_rustc && [ ! -f "$(debian_stamp)" ]; then
        stamp_debian 2>/dev/null || say "could not write $(debian_stamp): after an upgrade only the probe will tell"
    fi
    ok "target $TARGET, by $(wasm_rustc --version | cut -d ' ' -f 1-2)${WASM_BUILD_TOOLCHAIN:+ (toolchain $WASM_BUILD_TOOLCHAIN)}"
}

# --- cargo-nextest

nextest_version() {
    local version
    version="$(cargo nextest --version 2>/dev/null)" || return 1
    printf '%s\n' "${version%%$'\n'*}"
}

setup_nextest() {
    local version
    if ! version="$(nextest_version)"; then
        run "cargo install cargo-nextest --locked (some minutes)" \
            "see the log above; a binary from https://nexte.st does as well" cargo install cargo-nextest --locked
        version="$(nextest_version)" || fail "cargo-nextest is installed, but cargo does not find it" \
            "put ${CARGO_HOME:-~/.cargo}/bin in PATH"
    fi
    ok "$version"
}

setup_packages
setup_rust
setup_wasm
setup_nextest
