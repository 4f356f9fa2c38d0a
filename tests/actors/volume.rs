//! A small file system of a test's own: ext4 in a file, by the loop device. It can be filled, made read-only, and lose its
//! power: what the kernel had not written to it by then is gone. Where mounting is not allowed, the test says that it skips.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// Mounted until it is dropped.
pub struct Volume {
    /// A file system in memory, so that a sync costs nothing.
    room: PathBuf,
    at: PathBuf,
    device: String,
    images: usize,
    _folder: TempDir,
}

fn run(program: &str, arguments: &[&str]) -> Result<String, String> {
    let output =
        Command::new(program).args(arguments).output().map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    Err(format!("{program} {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim()))
}

impl Volume {
    /// None, said aloud, where nobody may mount.
    pub fn make(mebibytes: u64) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let (room, at) = (folder.path().join("room"), folder.path().join("volume"));
        std::fs::create_dir(&room).unwrap();
        std::fs::create_dir(&at).unwrap();
        if let Err(why) = run("mount", &["-t", "tmpfs", "-o", "mode=700", "none", room.to_str().unwrap()]) {
            eprintln!("skipped: nothing can be mounted here ({why})");
            return None;
        }
        let mut volume = Self { room, at, device: String::new(), images: 0, _folder: folder };
        let image = volume.image();
        std::fs::File::create(&image).unwrap().set_len(mebibytes << 20).unwrap();
        let made = run(
            "mkfs.ext4",
            &[
                "-q",
                "-F",
                "-m",
                "0",
                "-b",
                "4096",
                "-E",
                "lazy_itable_init=0,lazy_journal_init=0",
                image.to_str().unwrap(),
            ],
        );
        match made.and_then(|_| volume.mount()) {
            Ok(()) => Some(volume),
            Err(why) => {
                eprintln!("skipped: there is no file system in a file here ({why})");
                None
            }
        }
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.at
    }

    fn at(&self) -> &str {
        self.at.to_str().unwrap()
    }

    fn image(&self) -> PathBuf {
        self.room.join(format!("{}.ext4", self.images))
    }

    fn mount(&mut self) -> Result<(), String> {
        self.device = run("losetup", &["--find", "--show", self.image().to_str().unwrap()])?;
        run("mount", &["-t", "ext4", "-o", "noatime", &self.device, self.at.to_str().unwrap()]).map(drop)
    }

    fn unmount(&mut self) {
        // Processes that were killed may take a moment to let go of their files.
        for _ in 0..250 {
            if run("umount", &[self.at()]).is_ok() {
                break;
            }
            // sleeps: the kernel has no signal for it
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let _ = run("losetup", &["--detach", &self.device]);
    }

    /// Everything written so far survives a power cut.
    pub fn sync(&self) {
        rustix::fs::syncfs(std::fs::File::open(&self.at).unwrap()).unwrap();
    }

    /// Takes all the room there is; gives the file that takes it.
    pub fn fill(&self) -> PathBuf {
        use std::io::Write as _;
        let path = self.at.join("filler");
        let mut filler = std::fs::File::create(&path).unwrap();
        for bytes in [1 << 20, 1 << 12, 1] {
            while filler.write_all(&vec![1; bytes]).is_ok() {}
        }
        path
    }

    /// Unmounts it and mounts it again: what is read afterwards comes from the disk.
    pub fn remount(&mut self) {
        self.unmount();
        self.mount().unwrap();
    }

    /// Whether it may be written. Nobody may have files open for writing.
    pub fn set_writable(&self, writable: bool) {
        let option = if writable { "remount,rw" } else { "remount,ro" };
        run("mount", &["-o", option, self.at()]).unwrap();
    }

    /// Remembers what would be there if the power were cut now. Whoever uses it is stopped.
    pub fn picture(&mut self) {
        self.images += 1;
        loop {
            let before = self.writes();
            // Not the file system but the device below it: what is only in the kernel's memory is not there.
            let from = self.room.join(format!("{}.ext4", self.images - 1));
            run("cp", &["--sparse=always", from.to_str().unwrap(), self.image().to_str().unwrap()]).unwrap();
            if before == self.writes() {
                return;
            }
        }
    }

    /// The power was cut when the last picture was taken. Nobody uses it any more.
    pub fn lose_power(&mut self) {
        self.unmount();
        std::fs::remove_file(self.room.join(format!("{}.ext4", self.images - 1))).unwrap();
        self.mount().unwrap();
    }

    /// Overwrites on the device every block that begins with one of `blocks`, behind the back of the file system.
    pub fn lose_blocks(&self, blocks: &[[u8; 4096]]) -> usize {
        use std::os::unix::fs::FileExt as _;
        let image = std::fs::File::options().read(true).write(true).open(self.image()).unwrap();
        let (mut block, mut lost) = ([0; 4096], 0);
        for number in 0..image.metadata().unwrap().len() / 4096 {
            image.read_exact_at(&mut block, number * 4096).unwrap();
            if blocks.contains(&block) {
                image.write_all_at(&[0; 4096], number * 4096).unwrap();
                lost += 1;
            }
        }
        lost
    }

    /// Writes that the device has finished, and those under way.
    fn writes(&self) -> (String, String) {
        let name = self.device.trim_start_matches("/dev/");
        let stat = std::fs::read_to_string(format!("/sys/block/{name}/stat")).unwrap();
        let numbers: Vec<&str> = stat.split_whitespace().collect();
        (numbers[4].to_owned(), numbers[8].to_owned())
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        if !self.device.is_empty() {
            self.unmount();
        }
        let _ = run("umount", &[self.room.to_str().unwrap()]);
    }
}
