"""The virtual GPU host: a VM with an IOMMU and emulated GPUs."""
