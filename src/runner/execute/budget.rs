//! CPU threads and GPUs that a run may use, and what of them is free.

use crate::context::Device;
use crate::graph::Resources;
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
    /// Of each GPU, in thousandths.
    gpus: Vec<u32>,
}

/// A whole GPU.
const WHOLE: u32 = 1000;

/// What a stage was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Share {
    pub threads: usize,
    pub device: Device,
    /// What of its GPU, in thousandths.
    pub of_gpu: u32,
}

impl Free {
    pub fn new(budget: &Budget) -> Self {
        let budget = Budget {
            cpu_threads: budget.cpu_threads.max(1),
            gpus: budget.gpus.clone(),
        };
        Self {
            threads: budget.cpu_threads,
            gpus: vec![WHOLE; budget.gpus.len()],
            budget,
        }
    }

    /// A share for a stage, if it can begin now. The threads that it asks for; without a wish, what is free is divided fairly among
    /// the `others` that are ready too, and a stage on a GPU gets one thread. Stages that share GPUs spread over them.
    pub fn take(&mut self, choice: DeviceChoice, asked: &Resources, others: usize) -> Option<Share> {
        let of_gpu = asked.gpu_share.unwrap_or(WHOLE);
        let gpu = match choice {
            DeviceChoice::Cpu => None,
            // The first of those with most room.
            DeviceChoice::AnyGpu => (0..self.gpus.len()).rev().max_by_key(|index| self.gpus[*index]),
            DeviceChoice::Gpu(index) => Some(index),
        };
        let gpu = gpu.filter(|index| self.gpus.get(*index).is_some_and(|free| *free >= of_gpu));
        if gpu.is_none() && choice != DeviceChoice::Cpu {
            return None;
        }
        let threads = match asked.threads {
            Some(wanted) => wanted.clamp(1, self.budget.cpu_threads),
            None if gpu.is_some() => 1,
            None => (self.threads / (others + 1)).max(1),
        };
        if threads > self.threads {
            return None;
        }
        self.threads -= threads;
        if let Some(index) = gpu {
            self.gpus[index] -= of_gpu;
        }
        let device = gpu.map_or(Device::Cpu, Device::Cuda);
        Some(Share {
            threads,
            device,
            of_gpu,
        })
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
            self.gpus[index] += share.of_gpu;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(threads: Option<usize>, gpu_share: Option<u32>) -> Resources {
        Resources {
            threads,
            gpu_share,
            ..Resources::default()
        }
    }

    fn free(threads: usize) -> Free {
        Free::new(&Budget {
            cpu_threads: threads,
            gpus: ["2", "GPU-8932f937"].map(str::to_owned).to_vec(),
        })
    }

    #[test]
    fn shares_stay_within_the_budget() {
        let mut free = free(4);
        let any = DeviceChoice::AnyGpu;
        let nothing = asks(None, None);
        let on = |threads: usize, device: Device| {
            Some(Share {
                threads,
                device,
                of_gpu: WHOLE,
            })
        };
        let first = free.take(any, &nothing, 3);
        assert_eq!(first, on(1, Device::Cuda(0)));
        let second = free.take(any, &nothing, 2);
        assert_eq!(second, on(1, Device::Cuda(1)));
        assert_eq!(free.take(any, &nothing, 1), None, "both GPUs are taken");
        assert_eq!(
            free.take(DeviceChoice::Cpu, &asks(Some(99), None), 0),
            None,
            "all threads were wanted, two are free"
        );
        let third = free.take(DeviceChoice::Cpu, &nothing, 0);
        assert_eq!(third, on(2, Device::Cpu));
        let gpus = [first, second, third].map(|share| share.and_then(|share| free.gpu(share)));
        assert_eq!(
            gpus.each_ref().map(Option::as_deref),
            [Some("2"), Some("GPU-8932f937"), None]
        );
        assert_eq!(free.take(DeviceChoice::Cpu, &nothing, 0), None);
        for share in [first, second, third].into_iter().flatten() {
            free.give_back(share);
        }
        assert_eq!(
            free.take(DeviceChoice::Gpu(1), &asks(Some(99), None), 0),
            on(4, Device::Cuda(1))
        );
        assert_eq!(free.take(DeviceChoice::Gpu(1), &asks(Some(1), None), 0), None);
    }

    #[test]
    fn small_trainings_share_gpus_and_spread_over_them() {
        let mut free = free(9);
        let small = asks(None, Some(400));
        let mut take = |choice, asked: &Resources| free.take(choice, asked, 0);
        let any = DeviceChoice::AnyGpu;
        let shares: Vec<Share> = (0..4).filter_map(|_| take(any, &small)).collect();
        let devices: Vec<Device> = shares.iter().map(|share| share.device).collect();
        assert_eq!(devices, [0, 1, 0, 1].map(Device::Cuda));
        assert_eq!(take(any, &small), None, "a fifth of each is left");
        assert_eq!(take(any, &asks(None, None)), None);
        assert!(take(DeviceChoice::Gpu(1), &asks(None, Some(200))).is_some());
        assert_eq!(take(DeviceChoice::Gpu(1), &asks(None, Some(1))), None);
        for share in [shares[0], shares[2]] {
            free.give_back(share);
        }
        let whole = free.take(any, &asks(None, None), 0).map(|share| share.device);
        assert_eq!(whole, Some(Device::Cuda(0)));
    }
}
