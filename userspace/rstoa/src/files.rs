// SPDX-License-Identifier: GPL-2.0
//! Where the modules show what they know.

use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::PathBuf;

use crate::cli::Module;
use crate::Failure;

/// The two folders.
#[derive(Clone, Debug)]
pub struct Files {
    /// `/proc/net` of this namespace.
    pub net: PathBuf,
    /// `/proc/sys/net/ipv4`.
    pub settings: PathBuf,
}

impl Files {
    /// Those of this program's network namespace.
    pub fn of_host() -> Self {
        Self {
            net: "/proc/thread-self/net".into(),
            settings: "/proc/sys/net/ipv4".into(),
        }
    }

    /// Opens a file of a module; `None` if the module is not loaded.
    pub fn open(&self, module: Module, what: &str) -> Result<Option<BufReader<File>>, Failure> {
        let path = self.net.join(format!("{}_{what}", module.name()));
        match File::open(&path) {
            Ok(file) => Ok(Some(BufReader::new(file))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failure(format!("{}: {error}", path.display()))),
        }
    }

    /// Reads such a file as a whole.
    pub fn read(&self, module: Module, what: &str) -> Result<Option<String>, Failure> {
        self.open(module, what)?
            .map(|file| io::read_to_string(file).map_err(Failure::from))
            .transpose()
    }

    /// Where a setting of a module is.
    pub fn setting(&self, module: Module, name: &str) -> PathBuf {
        self.settings.join(module.name()).join(name)
    }

    /// The modules that are loaded and have such a setting. None is an error.
    pub fn with_setting(&self, name: &str) -> Result<Vec<Module>, Failure> {
        let is_there = |module: &Module| fs::exists(self.setting(*module, name)).unwrap_or(false);
        let modules: Vec<_> = Module::ALL.into_iter().filter(is_there).collect();
        if modules.is_empty() {
            return Err(none_loaded());
        }
        Ok(modules)
    }
}

/// Why there is nothing to be shown.
pub fn none_loaded() -> Failure {
    Failure(
        "neither toa nor uoa is loaded; modprobe toa loads what reads the clients of TCP".into(),
    )
}
