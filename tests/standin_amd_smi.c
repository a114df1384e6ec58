/* A stand-in for AMD SMI's libamd_smi.so: the GPUs that the file in STAND_IN_AMD lists, a line each:
   node, serial number (hexadecimal; 0: none), partition mode, bytes of memory, bytes used, watts
   (0: not reported), watts by the energy counter (-1: none), percent busy, MHz, bits of
   indep_throttle_status and ticks of heat of its socket (-1: neither is counted), then pids with
   the bytes that each holds. Structures as in AMD SMI's amdsmi.h; the places in that of a GPU's
   metrics come from its package, as do the names of all other functions, which answer that they
   are not supported. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MOST 8
#define NOT_SUPPORTED 2
typedef struct { int node, busy, mhz, pids[4], processes; char serial[32], mode[8]; long long total, used, held[4], bits, ticks; double watts, counted; } Gpu;
typedef struct { char name[256]; uint32_t vendor; char vendor_name[256]; uint32_t subvendor; uint64_t device; uint32_t revision; char serial[256]; uint32_t oam, units; uint64_t target; uint32_t more[22]; } Asic;
typedef struct { uint64_t kfd; uint32_t node, partition, more[12]; } Kfd;
typedef struct { char version[256], date[256], name[256]; } Driver;
typedef struct { char name[256]; uint32_t pid; uint64_t memory, gfx, enc; uint32_t more[12]; uint64_t gtt, cpu, vram; uint32_t further[10]; char container[256]; uint32_t occupancy, last[11]; } Process;
typedef struct { uint32_t now, least, most; uint8_t locked, sleeps; uint32_t more[4]; } Clock;
typedef struct { uint64_t cap, more[7]; } Cap;
typedef struct { uint32_t gfx, umc, mm, more[13]; } Activity;
typedef struct { uint64_t socket; uint32_t current, average; uint64_t voltages[3]; uint32_t limit; uint64_t more[18]; } Power;

static Gpu gpus[MOST];
static uint32_t read_gpus(void) {
    const char *path = getenv("STAND_IN_AMD");
    FILE *file = path ? fopen(path, "r") : NULL;
    uint32_t count = 0;
    char line[256];
    while (file && count < MOST && fgets(line, sizeof line, file)) {
        Gpu *one = &gpus[count++];
        int at = 0, more = 0;
        sscanf(line, "%d %31s %7s %lld %lld %lf %lf %d %d %lld %lld%n", &one->node, one->serial,
               one->mode, &one->total, &one->used, &one->watts, &one->counted, &one->busy,
               &one->mhz, &one->bits, &one->ticks, &at);
        for (one->processes = 0; one->processes < 4; one->processes++, at += more)
            if (sscanf(line + at, "%d %lld%n", &one->pids[one->processes], &one->held[one->processes], &more) < 2) break;
    }
    if (file) fclose(file);
    return count;
}

int amdsmi_init(uint64_t flags) { (void)flags; return read_gpus() ? 0 : 34; }
int amdsmi_get_socket_handles(uint32_t *count, void **found) {
    uint32_t there = read_gpus();
    for (uint32_t i = 0; found && i < there && i < *count; i++) found[i] = &gpus[i];
    *count = there;
    return 0;
}
int amdsmi_get_processor_handles(void *socket, uint32_t *count, void **found) {
    if (found) *found = socket;
    *count = 1;
    return 0;
}
int amdsmi_get_gpu_kfd_info(Gpu *one, Kfd *found) { found->node = one->node; return 0; }
int amdsmi_get_gpu_asic_info(Gpu *one, Asic *found) {
    snprintf(found->name, 256, "Stand-in Instinct number %d", (int)(one - gpus));
    if (strcmp(one->serial, "0")) snprintf(found->serial, 256, "%s", one->serial);
    return 0;
}
int amdsmi_get_gpu_compute_partition(Gpu *one, char *mode, uint32_t room) {
    if (!strcmp(one->mode, "-")) return NOT_SUPPORTED;
    snprintf(mode, room, "%s", one->mode);
    return 0;
}
int amdsmi_get_gpu_memory_total(Gpu *one, uint32_t kind, uint64_t *bytes) {
    *bytes = one->total;
    return kind ? NOT_SUPPORTED : 0;
}
int amdsmi_get_gpu_memory_usage(Gpu *one, uint32_t kind, uint64_t *bytes) {
    read_gpus();
    *bytes = one->used;
    return kind ? NOT_SUPPORTED : 0;
}
int amdsmi_get_gpu_driver_info(Gpu *one, Driver *found) {
    (void)one;
    snprintf(found->version, 256, "6.16.6");
    return 0;
}
int amdsmi_get_gpu_process_list(Gpu *one, uint32_t *count, Process *found) {
    read_gpus();
    for (int i = 0; i < one->processes; i++) {
        found[i].pid = one->pids[i];
        found[i].vram = found[i].memory = one->held[i];
    }
    *count = one->processes;
    return 0;
}
int amdsmi_get_clock_info(Gpu *one, uint32_t kind, Clock *found) {
    read_gpus();
    found->now = one->mhz;
    return kind ? NOT_SUPPORTED : 0;
}
int amdsmi_get_power_cap_info(Gpu *one, uint32_t sensor, Cap *found) {
    (void)one;
    (void)sensor;
    found->cap = 750000000;
    return 0;
}
int amdsmi_get_gpu_activity(Gpu *one, Activity *found) { found->gfx = one->busy; return 0; }
int amdsmi_get_power_info(Gpu *one, Power *found) {
    found->current = one->watts ? one->watts : 0xffff;
    found->average = 0xffff;
    return 0;
}
int amdsmi_get_energy_count(Gpu *one, uint64_t *count, float *unit, uint64_t *moment) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (one->counted < 0) return NOT_SUPPORTED;
    *moment = now.tv_sec * 1000000000ull + now.tv_nsec;
    *unit = 15.25f;
    *count = one->counted * (*moment / 1e3) / *unit + 1;
    return 0;
}
int amdsmi_get_gpu_metrics_info(Gpu *one, unsigned char *found) {
    read_gpus();
    memset(found, 0xff, METRICS_SIZE);
    if (one->bits >= 0) memcpy(found + INDEP_THROTTLE_STATUS, &one->bits, 8);
    if (one->ticks >= 0) memcpy(found + SOCKET_THM_RESIDENCY_ACC, &one->ticks, 8);
    return 0;
}
#define UNUSED(name) int name(void) { return NOT_SUPPORTED; }
OTHERS
