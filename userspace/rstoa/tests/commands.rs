// SPDX-License-Identifier: GPL-2.0
//! The tool over files as the modules write them.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use clap::Parser;
use rstoa::cli::Args;
use rstoa::files::Files;
use rstoa::{run, trust};

const TOA_CLIENTS: &str = "Socket Local Peer Client
1042 192.168.229.1:80 192.168.229.204:1025 172.16.0.1:54642
ff [2001:db8::1]:443 [2001:db8::204]:1026 [2001:db8:1::7]:4242
";
const UOA_CLIENTS: &str = "Peer Local Client Idle
192.168.229.204:1027 192.168.229.1:53 172.16.0.1:5353 12
";
const TOA_STATS: &str = "                                  CPU0       CPU1       
syn_recv_sock_toa        :         3          4 
getname_toa_ok           :         6          8 
";
const UOA_STATS: &str = " Success     Miss  Invalid|UOA  Got     None    Saved Ack-Fail
       1        2        3        4        5        6        0
";

/// A folder of this test's own.
struct Host {
    folder: PathBuf,
    files: Files,
}

impl Host {
    fn new(all: &[(&str, &str)]) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let name = format!(
            "rstoa-{}-{}",
            std::process::id(),
            NUMBER.fetch_add(1, Relaxed)
        );
        let folder = std::env::temp_dir().join(name);
        for (path, text) in all {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let files = Files {
            net: folder.join("net"),
            settings: folder.join("settings"),
        };
        Self { folder, files }
    }

    fn full() -> Self {
        Self::new(&[
            ("net/toa_clients", TOA_CLIENTS),
            ("net/uoa_clients", UOA_CLIENTS),
            ("net/toa_stats", TOA_STATS),
            (
                "net/toa_health",
                "clients                     :         2\n",
            ),
            ("net/uoa_stats", UOA_STATS),
            ("settings/toa/trust", "10.0.0.0/8 2001:db8::/32\n"),
            ("settings/uoa/trust", "\n"),
        ])
    }

    fn run(&self, words: &str) -> Result<String, String> {
        let args =
            Args::try_parse_from(["rstoa"].into_iter().chain(words.split_whitespace())).unwrap();
        let mut out = Vec::new();
        run(&args, &self.files, &mut out).map_err(|failure| failure.0)?;
        Ok(String::from_utf8(out).unwrap())
    }

    fn json(&self, words: &str) -> serde_json::Value {
        serde_json::from_str(&self.run(&format!("{words} --json")).unwrap()).unwrap()
    }

    fn toa_trust(&self) -> String {
        fs::read_to_string(self.files.settings.join("toa/trust")).unwrap()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn lists_sockets_and_flows() {
    let host = Host::full();
    let wanted = "\
Proto Socket   Local                    Peer                     Client
tcp   1042     192.168.229.1:80         192.168.229.204:1025     172.16.0.1:54642
tcp   ff       [2001:db8::1]:443        [2001:db8::204]:1026     [2001:db8:1::7]:4242
udp   -        192.168.229.1:53         192.168.229.204:1027     172.16.0.1:5353
";
    assert_eq!(host.run("").unwrap(), wanted);
    assert_eq!(host.run("list").unwrap(), wanted);
    let rows = host.json("");
    assert_eq!(rows.as_array().unwrap().len(), 3);
    assert_eq!(rows[0]["socket"], "1042", "a name, not a number");
    assert_eq!(rows[1]["client"], "[2001:db8:1::7]:4242");
    assert_eq!(
        (&rows[2]["protocol"], &rows[2]["idle"]),
        (&"udp".into(), &12.into())
    );
}

#[test]
fn finds_connections_by_any_end() {
    let host = Host::full();
    let lines = |words: &str| host.run(words).unwrap().lines().count().saturating_sub(1);
    assert_eq!(lines("list 172.16.0.1"), 2);
    assert_eq!(lines("list 172.16.0.1:54642"), 1);
    assert_eq!(lines("list 172.16.0.1 192.168.229.1:53"), 1);
    assert_eq!(lines("list [2001:db8:1::7]:4242"), 1);
    assert_eq!(lines("list 2001:db8:1::7"), 1);
    assert_eq!(host.json("list 192.0.2.1"), serde_json::json!([]));
    assert!(host
        .run("list 172.16.0")
        .unwrap_err()
        .contains("no address"));
}

#[test]
fn shows_what_was_counted() {
    let host = Host::full();
    let stats = host.json("stats");
    assert_eq!(stats["toa_stats"]["syn_recv_sock_toa"], 7, "all processors");
    assert_eq!(stats["toa_stats"]["getname_toa_ok"], 14);
    assert_eq!(stats["toa_health"]["clients"], 2);
    assert_eq!(stats["uoa_stats"]["uoa_saved"], 6);
    assert_eq!(stats["uoa_stats"]["uoa_ack_fail"], 0);
    assert!(host
        .run("stats")
        .unwrap()
        .contains("  syn_recv_sock_toa                     7\n"));
}

#[test]
fn shows_and_changes_who_is_believed() {
    let host = Host::full();
    assert_eq!(
        host.run("trust").unwrap(),
        "toa: 10.0.0.0/8 2001:db8::/32\nuoa: everyone\n"
    );
    let wanted = serde_json::json!({"toa": ["10.0.0.0/8", "2001:db8::/32"], "uoa": []});
    assert_eq!(host.json("trust"), wanted);
    host.run("trust --only toa add 192.0.2.1 10.1.2.3/8")
        .unwrap();
    assert_eq!(
        host.toa_trust(),
        "10.0.0.0/8 2001:db8::/32 192.0.2.1\n",
        "10.1.2.3/8 was there"
    );
    host.run("trust --only toa del 192.0.2.1/32").unwrap();
    assert_eq!(host.toa_trust(), "10.0.0.0/8 2001:db8::/32\n");
    host.run("trust set 192.0.2.7").unwrap();
    assert_eq!(
        host.run("trust").unwrap(),
        "toa: 192.0.2.7\nuoa: 192.0.2.7\n"
    );
    host.run("trust clear").unwrap();
    assert_eq!(host.run("trust").unwrap(), "toa: everyone\nuoa: everyone\n");
}

#[test]
fn never_opens_to_everyone_by_accident() {
    let host = Host::full();
    host.run("trust --only toa set 192.0.2.7").unwrap();
    assert!(host
        .run("trust --only toa del 192.0.2.7")
        .unwrap_err()
        .contains("clear"));
    assert!(host
        .run("trust --only toa del 192.0.2.8")
        .unwrap_err()
        .contains("not on the list"));
    assert!(host
        .run("trust --only toa set 192.0.2.256")
        .unwrap_err()
        .contains("no prefix"));
    assert_eq!(host.toa_trust(), "192.0.2.7\n");
    assert!(
        host.run("trust --only uoa add 192.0.2.7")
            .unwrap_err()
            .contains("set"),
        "it would shut others out"
    );
}

#[test]
fn what_is_saved_can_be_restored() {
    let host = Host::full();
    let saved = host.run("save").unwrap();
    assert_eq!(
        saved,
        "net.ipv4.toa.trust = 10.0.0.0/8 2001:db8::/32\nnet.ipv4.uoa.trust = \n"
    );
    host.run("trust set 192.0.2.7").unwrap();
    let others = format!("# a comment\nnet.ipv4.ip_forward = 0\n{saved}");
    trust::restore(&host.files, others.as_bytes()).unwrap();
    assert_eq!(host.run("save").unwrap(), saved);
    let wrong = trust::restore(&host.files, "net/ipv4/toa/trust=nonsense".as_bytes());
    assert!(wrong.unwrap_err().0.contains("nonsense is no prefix"));
}

#[test]
fn without_a_module_there_is_nothing_to_show() {
    let host = Host::new(&[]);
    for words in ["", "stats", "trust", "save", "trust set 10.0.0.0/8"] {
        assert!(
            host.run(words)
                .unwrap_err()
                .contains("neither toa nor uoa is loaded"),
            "{words}"
        );
    }
    let host = Host::new(&[("settings/toa/trust", "\n")]);
    assert_eq!(
        host.run("trust --only uoa").unwrap_err(),
        "uoa is not loaded"
    );
}
