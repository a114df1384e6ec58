/* A stand-in for NVIDIA's libnvidia-ml.so.1: the GPUs that the file in STAND_IN_GPUS lists, a line
   each: index, total bytes, used bytes, the pids that compute on it. STAND_IN_USE: a file with
   watts, percent busy and MHz of each GPU; without it they report none of it, nor their energy.
   STAND_IN_HEAT: a file with the driver's reasons (bits) and the nanoseconds for which heat slowed
   each GPU so far; without it they count none. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MOST 16
typedef struct { unsigned long long total, used; unsigned pids[8], processes; } Gpu;
typedef struct { unsigned version; unsigned long long total, reserved, free, used; } Memory;
typedef struct { unsigned pid; unsigned long long used; unsigned gpu, compute; } Process;
static Gpu gpus[MOST];

static unsigned read_gpus(void) {
    const char *path = getenv("STAND_IN_GPUS");
    FILE *file = path ? fopen(path, "r") : NULL;
    unsigned count = 0;
    char line[256];
    while (file && count < MOST && fgets(line, sizeof line, file)) {
        Gpu *one = &gpus[count++];
        char *rest = strchr(line, ' ');
        one->total = strtoull(rest, &rest, 10);
        one->used = strtoull(rest, &rest, 10);
        for (one->processes = 0; one->processes < 8; one->processes++) {
            unsigned pid = strtoul(rest, &rest, 10);
            if (!pid) break;
            one->pids[one->processes] = pid;
        }
    }
    if (file) fclose(file);
    return count;
}

int nvmlInitWithFlags(unsigned flags) { (void)flags; return read_gpus() ? 0 : 9; }
int nvmlShutdown(void) { return 0; }
const char *nvmlErrorString(int code) { (void)code; return "stand-in"; }
int nvmlSystemGetDriverVersion(char *text, unsigned size) { snprintf(text, size, "1.0"); return 0; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = read_gpus(); return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, Gpu **one) { *one = &gpus[index]; return 0; }
int nvmlDeviceGetName(Gpu *one, char *text, unsigned size) {
    snprintf(text, size, "Stand-in A6000 number %d", (int)(one - gpus));
    return 0;
}
int nvmlDeviceGetUUID(Gpu *one, char *text, unsigned size) {
    snprintf(text, size, "GPU-stand-in-%d", (int)(one - gpus));
    return 0;
}
int nvmlDeviceGetMigMode(Gpu *one, unsigned *now, unsigned *next) {
    const char *sliced = getenv("STAND_IN_SLICED");
    *now = *next = sliced && atoi(sliced) == (int)(one - gpus);
    return 0;
}
int nvmlDeviceGetMemoryInfo_v2(Gpu *one, Memory *memory) {
    read_gpus();
    memory->total = one->total;
    memory->used = one->used;
    return 0;
}
int nvmlDeviceGetComputeRunningProcesses_v3(Gpu *one, unsigned *count, Process *found) {
    read_gpus();
    unsigned room = *count;
    *count = one->processes;
    if (!one->processes) return 0;
    if (room < one->processes) return 7;
    for (unsigned i = 0; i < one->processes; i++) {
        memset(&found[i], 0, sizeof *found);
        found[i].pid = one->pids[i];
    }
    return 0;
}

typedef struct { unsigned gpu, memory; } Utilization;
static int use_of(Gpu *one, double *watts, unsigned *busy, unsigned *mhz) {
    const char *path = getenv("STAND_IN_USE");
    FILE *file = path ? fopen(path, "r") : NULL;
    int found = 0;
    if (!file) return 3;
    for (long at = 0; at <= one - gpus; at++)
        found = fscanf(file, "%lf %u %u", watts, busy, mhz) == 3;
    fclose(file);
    return found ? 0 : 3;
}
int nvmlDeviceGetTotalEnergyConsumption(Gpu *one, unsigned long long *millijoules) {
    double watts; unsigned busy, mhz;
    struct timespec now;
    int code = use_of(one, &watts, &busy, &mhz);
    if (code) return code;
    clock_gettime(CLOCK_MONOTONIC, &now);
    *millijoules = watts * (now.tv_sec * 1e3 + now.tv_nsec / 1e6);
    return 0;
}
int nvmlDeviceGetUtilizationRates(Gpu *one, Utilization *found) {
    double watts; unsigned mhz;
    found->memory = 0;
    return use_of(one, &watts, &found->gpu, &mhz);
}
int nvmlDeviceGetClockInfo(Gpu *one, unsigned kind, unsigned *mhz) {
    double watts; unsigned busy;
    (void)kind;
    return use_of(one, &watts, &busy, mhz);
}
int nvmlDeviceGetPowerUsage(Gpu *one, unsigned *milliwatts) {
    double watts; unsigned busy, mhz;
    int code = use_of(one, &watts, &busy, &mhz);
    if (!code) *milliwatts = watts * 1e3;
    return code;
}

typedef struct { unsigned long long reference, violation; } Violation;
static int heat_of(Gpu *one, unsigned long long *reasons, unsigned long long *ns) {
    const char *path = getenv("STAND_IN_HEAT");
    FILE *file = path ? fopen(path, "r") : NULL;
    int found = 0;
    if (!file) return 3;
    for (long at = 0; at <= one - gpus; at++) found = fscanf(file, "%llu %llu", reasons, ns) == 2;
    fclose(file);
    return found ? 0 : 3;
}
int nvmlDeviceGetCurrentClocksThrottleReasons(Gpu *one, unsigned long long *reasons) {
    unsigned long long ns;
    if (heat_of(one, reasons, &ns)) *reasons = 0;
    return 0;
}
int nvmlDeviceGetViolationStatus(Gpu *one, int policy, Violation *found) {
    unsigned long long reasons;
    found->reference = 0;
    return policy == 1 ? heat_of(one, &reasons, &found->violation) : 3;
}
int nvmlDeviceGetEnforcedPowerLimit(Gpu *one, unsigned *milliwatts) {
    (void)one;
    *milliwatts = 300000;
    return 0;
}
