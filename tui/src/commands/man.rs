//! `swarm man`: the manual pages, made from the same texts as the help.

use std::{fs, io, path::Path};

use clap::CommandFactory;
use clap_mangen::Man;

use crate::{
    args::{Cli, ManArgs},
    exit::Failure,
    output::Console,
};

/// Prints the manual pages, or writes each into a folder.
pub fn run(console: &Console, args: &ManArgs) -> Result<(), Failure> {
    match &args.folder {
        None => {
            let mut page = Vec::new();
            // Writing to memory does not fail.
            let rendered = Man::new(Cli::command()).render(&mut page);
            rendered.map_err(|error| Failure::file("stdout".as_ref(), &error))?;
            console.stdout(String::from_utf8_lossy(&page).trim_end())
        }
        Some(folder) => {
            write_all(folder).map_err(|error| Failure::file(folder, &error))?;
            console.result(folder.display())
        }
    }
}

/// `swarm.1`, `swarm-get.1`, … into the folder, which is made if need be.
fn write_all(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    clap_mangen::generate_to(Cli::command(), folder)
}
