//! Bad input: one line that says what is wrong, one that says what to do, the right code, and nothing
//! half-written.

use std::{
    fs,
    os::unix::{
        fs::{PermissionsExt, symlink},
        net::UnixListener,
    },
    process::Command,
};

use crate::world::{World, assert_fails, bytes};

/// The names in the working folder.
fn left(world: &World) -> Vec<String> {
    let entries = fs::read_dir(world.path("")).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn what_is_not_there() {
    let world = World::new();
    for args in [&["create", "none"][..], &["seed", "none"], &["verify", "none"]] {
        assert_fails(&world.run(args), 1, "none: no such file or folder");
    }
    for args in [&["show", "none"][..], &["get", "none"]] {
        let ran = world.run(args);
        assert_fails(&ran, 1, "none: no such file or folder");
        assert!(ran.stderr.contains("or a link in quotes"), "{}", ran.stderr);
    }
    assert_eq!(left(&world), [""; 0]);
}

#[test]
fn a_share_that_holds_nothing() {
    let world = World::new();
    fs::create_dir(world.path("empty")).unwrap();
    let ran = world.run(&["create", "empty"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.starts_with("error: nothing to share: "), "{ran:?}");
    assert_eq!(left(&world), ["empty"]);
}

#[test]
fn a_file_of_no_bytes_is_shared() {
    let world = World::new();
    world.write("nothing", "");
    world.create("nothing");
    assert_eq!(world.run(&["verify", "nothing.swarm"]).stdout, "verified: 1 file, 0 B\n");
}

#[test]
fn links_and_sockets_in_a_share() {
    let world = World::new();
    world.write("share/file", "bytes");
    symlink("file", world.path("share/link")).unwrap();
    let ran = world.run(&["create", "share"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("symbolic link\nhint: use --follow-symlinks"), "{ran:?}");
    let followed = world.run(&["create", "share", "--follow-symlinks"]);
    assert_eq!(followed.code, 0, "{followed:?}");

    fs::remove_file(world.path("share/link")).unwrap();
    let _socket = UnixListener::bind(world.path("share/socket")).unwrap();
    let ran = world.run(&["create", "share", "--force"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("it is a socket\nhint: move it out of the share"), "{ran:?}");
}

#[test]
fn every_bad_name_is_known_before_anything_is_read() {
    let world = World::new();
    for name in ["README", "readme", "aux.c", "what?", "fine"] {
        world.write(&format!("share/{name}"), "bytes");
    }
    // Whoever reads it finds it not allowed, which would be the error.
    fs::set_permissions(world.path("share/fine"), fs::Permissions::from_mode(0o000)).unwrap();
    let message = r#"cannot share share: 3 names in it: "aux.c": the name "aux.c" is the name of a device on Windows, whatever follows its first dot, "what?": the name "what?" has one of < > : " | ? * in it, which Windows cannot store, "readme": differs from "README" by upper and lower case only, and many systems cannot hold both"#;
    let ran = world.run(&["create", "share"]);
    assert_fails(&ran, 1, message);
    assert!(ran.stderr.contains("hint: rename them, or share an archive"), "{ran:?}");
    world.write("share/con", "bytes");
    let ran = world.run(&["create", "share"]);
    assert!(
        ran.stderr.contains("4 names in it: ") && ran.stderr.contains(", and 1 more\n"),
        "{ran:?}"
    );
}

#[test]
fn a_share_without_a_name() {
    let ran = World::new().run(&["create", "/"]);
    assert_fails(&ran, 2, "cannot share /: it has no name");
    assert!(ran.stderr.contains("--name"), "{ran:?}");
}

#[test]
fn a_name_that_not_every_machine_can_hold() {
    let world = World::new();
    world.write("share/a\u{202E}b", "bytes");
    let ran = world.run(&["create", "share"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("hint: rename it"), "{ran:?}");
    assert!(!ran.stderr.contains('\u{202E}'), "{ran:?}");
}

#[test]
fn a_manifest_that_exists_is_not_replaced_unasked() {
    let world = World::new();
    world.write("file", "bytes");
    world.write("file.swarm", "precious");
    assert_fails(&world.run(&["create", "file"]), 6, "file.swarm: exists already");
    assert_eq!(fs::read(world.path("file.swarm")).unwrap(), b"precious");
    assert_eq!(world.run(&["create", "file", "--force"]).code, 0);
    assert_eq!(world.run(&["verify", "file.swarm"]).code, 0);
    assert_eq!(left(&world), ["file", "file.swarm"]);
}

#[test]
fn manifests_that_cannot_be_used() {
    let world = World::new();
    world.write("file", bytes(100_000, 3));
    world.create("file");
    let good = fs::read(world.path("file.swarm")).unwrap();
    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 1;
    let cases = [
        ("text.swarm", b"this is no manifest".to_vec()),
        ("empty.swarm", Vec::new()),
        ("short.swarm", good[..good.len() - 7].to_vec()),
        ("flipped.swarm", flipped),
    ];
    for (name, bytes) in cases {
        world.write(name, bytes);
        for args in [&["show", name][..], &["verify", name], &["get", name], &["seed", name]] {
            let ran = world.run(args);
            assert_eq!((ran.code, ran.stdout.as_str()), (3, ""), "{args:?} {ran:?}");
            assert!(ran.stderr.starts_with(&format!("error: {name}: ")), "{args:?} {ran:?}");
        }
    }
    let short = world.run(&["show", "short.swarm"]);
    let what = "short.swarm: the manifest is damaged or cut short: its checksum does not match";
    assert_fails(&short, 3, what);
}

#[test]
fn a_manifest_from_a_newer_version() {
    let world = World::new();
    world.write("file", "bytes");
    world.create("file");
    let mut newer = fs::read(world.path("file.swarm")).unwrap();
    // The version is behind the magic.
    newer[6] = 9;
    world.write("newer.swarm", newer);
    let ran = world.run(&["show", "newer.swarm"]);
    assert_fails(&ran, 3, "newer.swarm: the manifest has version 9, this program knows 1");
    assert!(ran.stderr.contains("hint: update it"), "{ran:?}");
}

#[test]
fn links_that_cannot_be_used() {
    let world = World::new();
    let id = "a".repeat(52);
    for (link, what) in [
        ("swarm:?dn=x".into(), "the link has no id"),
        ("swarm:?id=abc".into(), r#""abc" after id= is not 52 base32 characters (a-z, 2-7)"#),
        (
            format!("swarm:?id={id}&tr=key@host:1"),
            r#"the key in "key@host:1" is not 52 base32 characters (a-z, 2-7)"#,
        ),
        (
            format!("swarm:?id={id}&tr={id}@host"),
            &format!(r#""{id}@host" does not end in a port from 1 to 65535, such as host:7000"#),
        ),
    ] {
        let ran = world.run(&["get", &link]);
        assert_eq!((ran.code, ran.stdout.as_str()), (3, ""), "{ran:?}");
        assert_eq!(ran.stderr.lines().next(), Some(format!("error: {what}").as_str()), "{ran:?}");
    }
}

#[test]
fn what_is_neither_a_link_nor_a_file() {
    let world = World::new();
    for (text, begins) in [
        ("", ""),
        ("http://x/y", "http://x/y"),
        ("magnet:?xt=1", "magnet:?xt=1"),
        ("swarm:x", "swarm:x"),
    ] {
        for command in ["get", "show"] {
            let ran = world.run(&[command, text]);
            let what = format!(r#"a link begins with "swarm:?id=", this begins with "{begins}""#);
            assert_fails(&ran, 3, &what);
            assert!(ran.stderr.contains("hint: copy the whole link, `swarm:?id=…`"), "{ran:?}");
        }
    }
    world.write("folder/file", "bytes");
    for command in ["get", "show", "verify"] {
        let ran = world.run(&[command, "folder"]);
        assert_fails(&ran, 3, "folder is a folder, not a .swarm manifest");
        assert!(ran.stderr.contains("`swarm seed` shares a folder"), "{ran:?}");
    }
    let colon = world.write("a:b", "no manifest");
    assert_fails(&world.run(&["show", "a:b"]), 3, "a:b: this is not a .swarm manifest");
    fs::remove_file(colon).unwrap();
}

#[test]
fn a_link_that_a_shell_has_cut() {
    let world = World::new();
    let ran = world.run(&["get", &format!("swarm:?id={}", "a".repeat(52))]);
    assert_fails(&ran, 4, "nobody to ask: no tracker and no peer");
    assert!(
        ran.stderr.contains("put it in quotes, or the shell cuts it at the first &"),
        "{ran:?}"
    );
}

#[test]
fn places_that_cannot_be_written_to() {
    let world = World::new();
    world.write("file", "bytes");
    world.run(&["create", "file", "--tracker", "plain:127.0.0.1:1"]);
    let ran = world.run(&["get", "file.swarm", "-o", "file/none", "--transport", "plain"]);
    assert_eq!(ran.code, 6, "{ran:?}");
    let ran = world.run(&["get", "file.swarm", "-o", "/dev/null", "--transport", "plain"]);
    assert_eq!(ran.code, 6, "{ran:?}");
    assert!(ran.stderr.starts_with("error: cannot make the folder /dev/null: "), "{ran:?}");
    for home in ["file/home", "file"] {
        let mut command = world.command(&["seed", "file", "--listen", "127.0.0.1:0"]);
        let out = command.env("SWARM_HOME", world.path(home)).output().unwrap();
        let stderr = String::from_utf8(out.stderr).unwrap();
        assert_eq!(out.status.code(), Some(6), "{stderr}");
        assert!(stderr.contains("\nhint: set SWARM_HOME to a folder"), "{stderr}");
    }
}

#[test]
fn a_program_is_told_which_argument_is_missing() {
    let world = World::new();
    for (args, message) in [
        (
            &["get", "--json"][..],
            "the following required arguments were not provided: <LINK|FILE.swarm>",
        ),
        (
            &["create", "x", "--json", "-o"],
            "a value is required for '--output <FILE.swarm>' but none was supplied",
        ),
    ] {
        let ran = world.run(args);
        let error: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!((ran.code, error["message"].as_str()), (2, Some(message)), "{ran:?}");
    }
}

#[test]
fn flags_and_settings_that_mean_nothing() {
    let world = World::new();
    world.write("file", "bytes");
    for (args, what) in [
        (&["get", "x", "--upload-limit", "fast"][..], "expected a rate such as 10M"),
        (&["get", "x", "--seed", "sometimes"], "expected needed, never, forever"),
        (&["get", "x", "--timeout", "soon"], "expected a time such as 90"),
        (&["get", "x", "--tracker", "host:1"], "names no key"),
        (&["get", "x", "--advertise", "a b"], "no host name or address"),
        (&["seed", ".", "--data", "x"], "--data and --skip-verify need a manifest"),
        (&["create", ".", "--identity", "x"], "--sign"),
        (&["create", ".", "--piece-length", "17K"], "expected a power of two from 16K to 16M"),
        (&["create", ".", "--piece-length", "8G"], "expected a power of two from 16K to 16M"),
        (&["create", ".", "--name", "../x"], r#"the name "../x" has a path separator in it"#),
        (&["seed", ".", "--name", ""], r#"the name "" is empty"#),
        (&["create", "file", "--comment", &"long ".repeat(1000)], "comment"),
    ] {
        let ran = world.run(args);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{args:?} {ran:?}");
        assert!(ran.stderr.contains(what), "{args:?} {ran:?}");
    }
}

#[test]
fn a_configuration_file_that_means_nothing() {
    let world = World::new();
    let path = world.write("bad.toml", "listen = '0.0.0.0:0'\nuplaod-limit = '1M'\n");
    let ran = world.run(&["config", "show", "--config", "bad.toml"]);
    assert_eq!(ran.code, 2);
    let error = "error: bad.toml: line 2: unknown field `uplaod-limit`, expected one of `listen`";
    assert!(ran.stderr.starts_with(error), "{ran:?}");
    fs::remove_file(path).unwrap();
    let ran = world.run(&["config", "show", "--config", "bad.toml"]);
    assert_fails(&ran, 2, "bad.toml: No such file or directory (os error 2)");
}

#[test]
fn a_port_that_somebody_has() {
    let world = World::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let ran = world.run(&["tracker", "--listen", &addr]);
    assert_fails(
        &ran,
        4,
        &format!("cannot listen on {addr} for the tracker: another program has the port"),
    );
}

#[test]
fn too_few_files_may_be_open() {
    let world = World::new();
    world.write("file", "bytes");
    for (limit, code, message) in [
        ("8", 1, "error: Too many open files (os error 24)\n"),
        ("20", 6, "error: only 20 files may be open at a time, 64 are needed\n"),
    ] {
        let limited = format!("ulimit -n {limit}; exec \"$0\" seed file --listen 127.0.0.1:0");
        let program = env!("CARGO_BIN_EXE_swarm");
        let mut shell = Command::new("sh");
        shell.args(["-c", &limited, program]).current_dir(world.path(""));
        let out = shell.env("SWARM_HOME", world.home()).output().unwrap();
        let stderr = String::from_utf8(out.stderr).unwrap();
        assert_eq!((out.status.code(), out.stdout), (Some(code), Vec::new()), "{stderr}");
        assert!(stderr.starts_with(message), "{stderr}");
        assert!(stderr.contains("\nhint: raise"), "{stderr}");
    }
}

#[test]
fn a_key_file_that_is_none() {
    let world = World::new();
    world.write("key", "no key");
    let ran = world.run(&["tracker", "--listen", "127.0.0.1:0", "--identity", "key"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{ran:?}");
    assert!(ran.stderr.starts_with("error: key key: "), "{ran:?}");
}

#[test]
fn a_screen_where_there_is_no_terminal() {
    let world = World::new();
    let ran = world.run(&["get", "share.swarm", "--progress", "tui"]);
    assert_fails(&ran, 2, "--progress tui needs a terminal for input and for stderr");
}

#[test]
fn a_session_where_there_is_no_terminal() {
    let world = World::new();
    let ran = world.run(&["tui"]);
    assert_fails(&ran, 2, "swarm tui needs a terminal for input and for stderr");
}
