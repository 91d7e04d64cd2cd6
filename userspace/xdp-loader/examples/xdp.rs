// SPDX-License-Identifier: GPL-2.0
//! Attaches, detaches and shows the program: `xdp attach|generic|detach|status IFACE`, `xdp holders`.

use xdp_loader::{attach, detach, holders, status, Error, Options};

fn main() -> Result<(), String> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let result: Result<(), Error> = match words[..] {
        ["attach", name] => attach(name, Options::default()),
        ["generic", name] => attach(name, Options { generic: true }),
        ["detach", name] => detach(name),
        ["status", name] => status(name).map(|status| println!("{status:?}")),
        ["holders"] => {
            holders().iter().for_each(|holder| println!("{holder}"));
            Ok(())
        }
        _ => return Err("usage: xdp attach|generic|detach|status IFACE, xdp holders".into()),
    };
    result.map_err(|error| error.to_string())
}
