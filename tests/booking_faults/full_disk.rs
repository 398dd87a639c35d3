//! A disk that fills up under the service: a small file system of memory, in a mount namespace of the process's own.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::databases::is_root;
use crate::eventually;
use crate::fan::{Fan, PATIENCE, PAYS};
use crate::http::{Sent, try_send};
use crate::instance::free_port;

/// Room for the sample catalogue and a little more.
const DISK: &str = "8m";

/// The service with its data on a disk of its own, on SQLite and with the sandbox for payments.
struct OnSmallDisk {
    address: String,
    folder: TempDir,
    child: Child,
}

impl OnSmallDisk {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let config = format!("[booking]\nlisten = \"127.0.0.1:{port}\"\nrequire_admission = false\n");
        std::fs::write(folder.path().join("tidegate.toml"), config).unwrap();
        std::fs::create_dir(folder.path().join("data")).unwrap();
        let log = File::create(folder.path().join("log.txt")).unwrap();
        // Whoever is not root is root in a user namespace of their own.
        let flags: &[&str] = if is_root() {
            &["--mount"]
        } else {
            &["--mount", "--user", "--map-root-user"]
        };
        let script = format!(
            "mount -t tmpfs -o size={DISK} tmpfs data && exec \"$0\" booking --config tidegate.toml --data-dir data"
        );
        let child = Command::new("unshare")
            .args(flags)
            .args(["sh", "-c", &script, env!("CARGO_BIN_EXE_tidegate")])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::from(log.try_clone().unwrap()))
            .stderr(Stdio::from(log))
            .spawn()
            .unwrap();
        let mut disk = Self {
            address: format!("127.0.0.1:{port}"),
            folder,
            child,
        };
        eventually("the service is ready", Duration::from_secs(30), || {
            if let Some(status) = disk.child.try_wait().unwrap() {
                panic!("it ended with {status}:\n{}", disk.log());
            }
            let answer = try_send(&disk.address, &Sent::new("GET", "/health")).ok()?;
            (answer.status == 200).then_some(())
        });
        disk
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log.txt")).unwrap()
    }

    /// A file on the disk, seen from outside of its namespace.
    fn path(&self, name: &str) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.child.id()));
        let folder = self.folder.path().join("data");
        root.join(folder.strip_prefix("/").unwrap()).join(name)
    }

    /// Takes all the room there is.
    fn fill(&self) {
        let mut filler = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.path("filler"))
            .unwrap();
        while filler.write_all(&[0; 4096]).is_ok() {}
    }

    fn free(&self) {
        std::fs::remove_file(self.path("filler")).unwrap();
    }
}

impl Drop for OnSmallDisk {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the log\n{}", self.log());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_full_disk_is_named_and_nothing_is_lost_by_it() {
    let disk = OnSmallDisk::start();
    let (early, late) = (Fan::new(&disk.address), Fan::new(&disk.address));
    let hold = early.hold(1, &["A-1", "A-2"]).unwrap();
    let order = early.order(&hold).unwrap();
    disk.fill();
    // What is in the log already may be written over for a while.
    let refused = eventually("something no longer fits", Duration::from_secs(60), || {
        disk.fill();
        let answer = late.reserve(1, &["B-1"]).unwrap();
        if answer.status == 201 {
            let id = answer.json()["id"].as_str().unwrap().to_owned();
            let _ = late.send(Sent::new("DELETE", &format!("/holds/{id}?stay=true")));
        }
        (answer.status >= 500).then_some(answer)
    });
    let problem = refused.json();
    assert_eq!(problem["type"], "urn:tidegate:problem:unwritable", "{problem}");
    assert_eq!(refused.status, 503);
    assert!(disk.log().contains("its disk is full"), "the operator is told");
    // Whoever only looks is served, and what was held and ordered is there.
    assert_eq!(late.get("/events?limit=1").unwrap().status, 200);
    assert_eq!(early.look(&order).unwrap()["id"], order["id"]);
    let mine = early.get("/showtimes/1/seats?mine=true").unwrap().json();
    assert_eq!(mine["mine"], serde_json::json!(["A-1", "A-2"]), "{mine}");
    disk.free();
    early.pay(&disk.address, &order, PAYS);
    early.until(&order, &["issued"], PATIENCE);
    late.hold(1, &["B-1"]).unwrap();
}
