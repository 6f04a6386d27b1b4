//! What the programs say to bad input: a message that names it, and a failure.

mod common;

use arena_e2e::{cluster::free_port, process::Process};
use std::{
    fs,
    net::TcpListener,
    path::Path,
    process::{Command, ExitStatus},
    time::Duration,
};

const WITHIN: Duration = Duration::from_secs(60);

/// Runs a program to its end: how it ended, and all that it said.
fn run(program: &Path, args: &[&str]) -> (ExitStatus, String) {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let mut command = Command::new(program);
    command.args(args);
    let mut process = Process::spawn("program", &mut command, &log).unwrap();
    let status = process.wait(WITHIN).unwrap();
    (status, fs::read_to_string(log).unwrap())
}

fn refused(program: &Path, args: &[&str], wanted: &[&str]) {
    let (status, said) = run(program, args);
    assert!(!status.success(), "{args:?} succeeded:\n{said}");
    assert!(
        status.code().is_some(),
        "{args:?} died of a signal:\n{said}"
    );
    for text in wanted {
        assert!(
            said.contains(text),
            "{args:?} doesn't say {text:?}:\n{said}"
        );
    }
    assert!(!said.contains("panicked"), "{args:?} panicked:\n{said}");
}

/// Arguments of a node that stays on this machine and keeps nothing.
fn node_args<'a>(more: &[&'a str]) -> Vec<&'a str> {
    node_args_at("--tmp", more)
}

/// Arguments of a node that stays on this machine and keeps its data where it is told to.
fn node_args_at<'a>(base: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut args = vec![
        "--chain=dev",
        base,
        "--listen-addr=/ip4/127.0.0.1/tcp/0",
        "--no-mdns",
        "--no-telemetry",
        "--no-prometheus",
    ];
    args.extend(more);
    args
}

#[test]
fn node_should_refuse_a_busy_rpc_port() {
    let busy = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = busy.local_addr().unwrap().port();
    let flag = format!("--rpc-port={port}");
    refused(
        &common::programs().node,
        &node_args(&[&flag]),
        &[&port.to_string()],
    );
}

#[test]
fn node_should_refuse_an_executor_that_is_not_there() {
    let flag = format!("--rpc-port={}", free_port().unwrap());
    let missing = "--executor=/nowhere/arena-executor";
    let wanted = ["/nowhere/arena-executor", "no such program"];
    refused(
        &common::programs().node,
        &node_args(&[&flag, missing]),
        &wanted,
    );
}

#[test]
fn node_should_refuse_a_base_path_that_cannot_be_written() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "in the way").unwrap();
    let rpc = format!("--rpc-port={}", free_port().unwrap());
    // A file in its place, and one above it: neither is a matter of rights, which root has.
    for base in [file.clone(), file.join("base")] {
        let flag = format!("--base-path={}", base.display());
        let wanted = format!("can't write to the base path {}: ", base.display());
        refused(
            &common::programs().node,
            &node_args_at(&flag, &[&rpc]),
            &[&wanted],
        );
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "in the way");
}

#[test]
fn node_should_refuse_a_chain_that_is_not_there() {
    let dir = tempfile::tempdir().unwrap();
    let spec = dir.path().join("no-spec.json");
    let flag = format!("--chain={}", spec.display());
    refused(
        &common::programs().node,
        &[&flag, "--tmp"],
        &[spec.to_str().unwrap()],
    );
}

#[test]
fn programs_should_refuse_wrong_flags_and_name_them() {
    let programs = common::programs();
    for program in programs.all() {
        refused(program, &["--no-such-flag"], &["--no-such-flag"]);
    }
    refused(
        &programs.node,
        &node_args(&["--executor-args=--x"]),
        &["--executor"],
    );
    refused(
        &programs.executor,
        &["serve", "--base", "/tmp"],
        &["--token-file"],
    );
    refused(&programs.cli, &["stake", "--amount", "much"], &["much"]);
}

#[test]
fn executor_should_refuse_an_address_that_others_reach() {
    let dir = tempfile::tempdir().unwrap();
    let (base, token) = (dir.path().join("base"), dir.path().join("token"));
    let args = [
        "serve",
        "--listen",
        "0.0.0.0:0",
        "--base",
        base.to_str().unwrap(),
        "--token-file",
        token.to_str().unwrap(),
    ];
    refused(
        &common::programs().executor,
        &args,
        &["0.0.0.0:0", "loopback"],
    );
}

#[test]
fn arena_should_say_when_no_node_answers() {
    let url = format!("ws://127.0.0.1:{}", free_port().unwrap());
    refused(
        &common::programs().cli,
        &["--url", &url, "task", "list"],
        &[&url],
    );
}
