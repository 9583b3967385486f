//! CPU threads and GPUs that a run may use, and what of them is free.

use crate::context::Device;
use crate::plan::DeviceChoice;

/// What a run may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    /// CPU threads.
    pub cpu_threads: usize,
    /// Identities of GPUs, as `CUDA_VISIBLE_DEVICES` takes them. `cuda:N` means the N-th of these.
    pub gpus: Vec<String>,
}

/// What of a budget is free.
#[derive(Debug)]
pub(super) struct Free {
    budget: Budget,
    threads: usize,
    gpus: Vec<bool>,
}

/// What a stage was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Share {
    pub threads: usize,
    pub device: Device,
}

impl Free {
    pub fn new(budget: &Budget) -> Self {
        let budget = Budget {
            cpu_threads: budget.cpu_threads.max(1),
            gpus: budget.gpus.clone(),
        };
        Self {
            threads: budget.cpu_threads,
            gpus: vec![true; budget.gpus.len()],
            budget,
        }
    }

    /// A share for a stage, if it can begin now. `wanted` threads; without a wish, what is free is divided fairly among
    /// the `others` that are ready too, and a stage on a GPU gets one thread.
    pub fn take(&mut self, choice: DeviceChoice, wanted: Option<usize>, others: usize) -> Option<Share> {
        let gpu = match choice {
            DeviceChoice::Cpu => None,
            DeviceChoice::AnyGpu => Some(self.gpus.iter().position(|free| *free)?),
            DeviceChoice::Gpu(index) => Some(index).filter(|index| self.gpus.get(*index) == Some(&true)),
        };
        if gpu.is_none() && choice != DeviceChoice::Cpu {
            return None;
        }
        let threads = match wanted {
            Some(wanted) => wanted.clamp(1, self.budget.cpu_threads),
            None if gpu.is_some() => 1,
            None => (self.threads / (others + 1)).max(1),
        };
        if threads > self.threads {
            return None;
        }
        self.threads -= threads;
        if let Some(index) = gpu {
            self.gpus[index] = false;
        }
        let device = gpu.map_or(Device::Cpu, Device::Cuda);
        Some(Share { threads, device })
    }

    /// The identity of a share's GPU.
    pub fn gpu(&self, share: Share) -> Option<String> {
        match share.device {
            Device::Cpu => None,
            Device::Cuda(index) => self.budget.gpus.get(index).cloned(),
        }
    }

    /// Whether no thread is free.
    pub fn is_spent(&self) -> bool {
        self.threads == 0
    }

    pub fn give_back(&mut self, share: Share) {
        self.threads += share.threads;
        if let Device::Cuda(index) = share.device {
            self.gpus[index] = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_stay_within_the_budget() {
        let mut free = Free::new(&Budget {
            cpu_threads: 4,
            gpus: ["2", "GPU-8932f937"].map(str::to_owned).to_vec(),
        });
        let any = DeviceChoice::AnyGpu;
        let first = free.take(any, None, 3);
        assert_eq!(
            first,
            Some(Share {
                threads: 1,
                device: Device::Cuda(0)
            })
        );
        let second = free.take(any, None, 2);
        assert_eq!(
            second,
            Some(Share {
                threads: 1,
                device: Device::Cuda(1)
            })
        );
        assert_eq!(free.take(any, None, 1), None, "both GPUs are taken");
        assert_eq!(
            free.take(DeviceChoice::Cpu, Some(99), 0),
            None,
            "all threads were wanted, two are free"
        );
        let third = free.take(DeviceChoice::Cpu, None, 0);
        assert_eq!(
            third,
            Some(Share {
                threads: 2,
                device: Device::Cpu
            })
        );
        let gpus = [first, second, third].map(|share| share.and_then(|share| free.gpu(share)));
        assert_eq!(
            gpus.each_ref().map(Option::as_deref),
            [Some("2"), Some("GPU-8932f937"), None]
        );
        assert_eq!(free.take(DeviceChoice::Cpu, None, 0), None);
        for share in [first, second, third].into_iter().flatten() {
            free.give_back(share);
        }
        assert_eq!(
            free.take(DeviceChoice::Gpu(1), Some(99), 0)
                .map(|share| (share.threads, share.device)),
            Some((4, Device::Cuda(1)))
        );
        assert_eq!(free.take(DeviceChoice::Gpu(1), Some(1), 0), None);
    }
}
