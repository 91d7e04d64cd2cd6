// SPDX-License-Identifier: GPL-2.0
//! The program as a whole, as far as it goes without a kernel that has IPVS.

use std::io::Write;
use std::process::{Command, Output, Stdio};

fn run(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_rsipvsadm"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let written = child.stdin.take().unwrap().write_all(input.as_bytes());
    // A program that fails before it reads closes the pipe.
    drop(written);
    child.wait_with_output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn nonsense_ends_with_two_and_one_line() {
    for arguments in [
        &[][..],
        &["--bogus"],
        &["-A"],
        &[
            "-a",
            "-t",
            "10.0.96.204:80",
            "-r",
            "192.168.229.1",
            "-b",
            "-w",
            "65536",
        ],
        &["-A", "-t", "10.0.96.204:0"],
        &["-A", "-t"],
        &["--set", "1"],
        &["-L", "-c", "--stats"],
        &["fastpath", "set", "eth0"],
        &["fastpath", "set", "eth0", "fast"],
        &["fastpath", "--bogus"],
    ] {
        let output = run(arguments, "");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
        let said = stderr(&output);
        assert!(said.starts_with("rsipvsadm: "), "{said}");
        assert_eq!(said.matches('\n').count(), 1, "{said}");
        assert!(said.ends_with('\n'), "{said}");
    }
}

#[test]
fn help_and_version_are_no_errors() {
    let output = run(&["--help"], "");
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    for word in ["Examples:", "rsipvsadm -Ln", "--fullnat", "Exit status:"] {
        assert!(text.contains(word), "{word}");
    }
    let output = run(&["fastpath", "--help"], "");
    let text = String::from_utf8(output.stdout).unwrap();
    for word in ["Examples:", "fastpath set all off", "--detours", "Exit"] {
        assert!(text.contains(word), "{word}");
    }
    for option in ["-v", "--version"] {
        let output = run(&[option], "");
        assert_eq!(output.status.code(), Some(0));
        let wanted = format!("rsipvsadm {}\n", env!("CARGO_PKG_VERSION"));
        assert_eq!(String::from_utf8(output.stdout).unwrap(), wanted);
    }
}

#[test]
fn a_rule_that_makes_no_sense_stops_all_of_them() {
    let rules = "# comment\n\n-A -t 10.0.96.204:80 -s rr\n-a -t 10.0.96.204:80 -b\n";
    let output = run(&["-R"], rules);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        stderr(&output),
        "rsipvsadm: line 4: -a needs a real server (-r)\n"
    );
}

#[test]
fn only_changes_are_rules() {
    for rule in ["-Ln", "-S", "-R", "-G", "fastpath", "fastpath eth0 --json"] {
        let output = run(&["-R"], rule);
        assert_eq!(output.status.code(), Some(2), "{rule}");
        assert_eq!(
            stderr(&output),
            "rsipvsadm: line 1: only rules that change something can be restored\n"
        );
    }
    let output = run(&["-R"], "--help");
    assert_eq!(stderr(&output), "rsipvsadm: line 1: this is no rule\n");
}

#[test]
fn no_rules_are_done_at_once() {
    let output = run(&["-R"], "# nothing\n\n");
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty());
}

#[test]
fn output_nobody_reads_is_no_failure() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_rsipvsadm"))
        .arg("--help")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}
