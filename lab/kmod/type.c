// SPDX-License-Identifier: GPL-2.0
/*
 * The types of vGPU: three sizes of one series, and another series in one of
 * these sizes.
 */
#include "gpuvirt_sim.h"

const struct sim_type sim_types[SIM_NR_TYPES] = {
	{ 9001, "GPUVIRT SIM-1B", 1024, 4, 45, "5120x2880" },
	{ 9002, "GPUVIRT SIM-1Q", 1024, 4, 60, "5120x2880" },
	{ 9003, "GPUVIRT SIM-2Q", 2048, 4, 60, "7680x4320" },
	{ 9004, "GPUVIRT SIM-4Q", 4096, 4, 60, "7680x4320" },
};

/* Find a type, or NULL. */
const struct sim_type *sim_type_find(unsigned int number)
{
	int i;

	for (i = 0; i < SIM_NR_TYPES; i++)
		if (sim_types[i].number == number)
			return &sim_types[i];
	return NULL;
}
