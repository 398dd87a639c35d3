//! A wall clock that is set while a process runs.
//!
//! The process is given its questions for the real time with an answer that can be moved, compiled here with the C
//! compiler that the build needs anyway. The monotonic clock runs on, as it does when an operator sets the time.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// Asked in each of the three ways that programs ask. It must not allocate: allocators ask for the time too.
const SHIFTED_CLOCK: &str = r#"
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static long shift(void) {
    const char *path = getenv("TEST_CLOCK_SHIFT");
    char text[32] = {0};
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return 0;
    ssize_t length = read(file, text, sizeof text - 1);
    close(file);
    return length > 0 ? strtol(text, 0, 10) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    long result = syscall(SYS_clock_gettime, clock, time);
    if (result == 0 && clock == CLOCK_REALTIME) time->tv_sec += shift();
    return (int)result;
}

struct microseconds { long tv_sec, tv_usec; };

int gettimeofday(struct microseconds *time, void *zone) {
    struct timespec now;
    (void)zone;
    int result = clock_gettime(CLOCK_REALTIME, &now);
    if (time) time->tv_sec = now.tv_sec, time->tv_usec = now.tv_nsec / 1000;
    return result;
}

time_t time(time_t *seconds) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (seconds) *seconds = now.tv_sec;
    return now.tv_sec;
}
"#;

/// The wall clock of the processes that are started with its variables.
pub struct ShiftedClock {
    folder: TempDir,
    library: PathBuf,
}

impl ShiftedClock {
    /// A clock that is right.
    pub fn right() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let library = compile(folder.path());
        let clock = Self { folder, library };
        clock.set(0);
        clock
    }

    /// Sets it to be off by so many seconds from now on.
    pub fn set(&self, seconds: i64) {
        let next = self.folder.path().join("next");
        std::fs::write(&next, seconds.to_string())
            .and_then(|()| std::fs::rename(&next, self.shift()))
            .expect("a shift");
    }

    /// What a process goes by it with.
    pub fn variables(&self) -> Vec<(String, String)> {
        [
            ("LD_PRELOAD", self.library.clone()),
            ("TEST_CLOCK_SHIFT", self.shift()),
        ]
        .map(|(name, path)| (name.to_owned(), path.display().to_string()))
        .into()
    }

    fn shift(&self) -> PathBuf {
        self.folder.path().join("shift")
    }
}

fn compile(folder: &Path) -> PathBuf {
    let (source, library) = (folder.join("clock.c"), folder.join("clock.so"));
    std::fs::write(&source, SHIFTED_CLOCK).expect("a source file");
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .arg(&library)
        .arg(&source)
        .output();
    let compiled = compiled.expect("the C compiler that the build needs");
    assert!(
        compiled.status.success(),
        "{}",
        String::from_utf8_lossy(&compiled.stderr)
    );
    library
}
