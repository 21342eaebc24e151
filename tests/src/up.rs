//! The stack left running, for a person or a program that wants to try things.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::stack::Stack;

/// Tells how to use the stack and keeps the info file true until `interrupted` ends. An operator that died has a new
/// process id, so the file is written again.
pub async fn serve(
    stack: &Stack,
    info: Option<&Path>,
    interrupted: impl Future<Output = ()>,
) -> Result<()> {
    let mut pids = stack.operator().pids();
    if let Some(info) = info {
        write_info(info, &describe(stack, *pids.borrow_and_update()))?;
    }
    tell(stack)?;
    let keep_true = async {
        while pids.changed().await.is_ok() {
            let pid = *pids.borrow_and_update();
            stack
                .story()
                .step(&format!("the operator runs again (process {pid})"));
            if let Some(info) = info {
                write_info(info, &describe(stack, pid))?;
            }
        }
        Ok(())
    };
    tokio::select! {
        () = interrupted => Ok(()),
        result = keep_true => result,
    }
}

fn tell(stack: &Stack) -> Result<()> {
    let plane = stack.control_plane();
    stack
        .story()
        .step("all is ready; Ctrl-C ends it. In another terminal:");
    stack.story().show(&format!(
        "export KUBECONFIG={}\n\
         alias kubectl={}\n\
         kubectl apply -f deploy/samples/tutorial\n\
         kubectl get aep -n marketing\n\
         curl {url}/_emulator/requests   # every call the operator made\n\
         curl {metrics}\n\
         tail -f {log}",
        plane.kubeconfig_path().display(),
        plane.kubectl_path()?.display(),
        url = stack.emulator().url(),
        metrics = stack.metrics_url(),
        log = stack.operator().log_path().display(),
    ));
    Ok(())
}

fn describe(stack: &Stack, pid: u32) -> Value {
    json!({
        "kubeconfig": stack.control_plane().kubeconfig_path(),
        "platformUrl": stack.emulator().url(),
        "customerIoUrl": stack.emulator().url(),
        "metricsUrl": stack.metrics_url(),
        "operatorPid": pid,
    })
}

/// Removes the info file: before a start, where one left by an earlier run would pass for "all is ready", and at the end.
pub fn remove_info(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// In one step: who waits for the file to appear reads all of it.
fn write_info(path: &Path, info: &Value) -> Result<()> {
    let write = || -> Result<()> {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        fs::create_dir_all(folder)?;
        let file = tempfile::NamedTempFile::new_in(folder)?;
        serde_json::to_writer_pretty(&file, info)?;
        file.persist(path)?;
        Ok(())
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_info_file_is_replaced_as_a_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run/info.json");
        for pid in [1, 2] {
            write_info(&path, &json!({ "operatorPid": pid })).unwrap();
            let read: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            assert_eq!(read["operatorPid"], pid);
        }
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        remove_info(&path).unwrap();
        remove_info(&path).unwrap();
        assert!(!path.exists());
    }
}
