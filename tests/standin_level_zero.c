/* A stand-in for Level Zero's libze_loader.so.1: the cards that the file in STAND_IN_CARDS lists, a
   line each: parts, integrated, bytes of a part's memory, bytes used of it, watts (-1: none),
   percent busy (-1: none), MHz, what holds the clock down, then pids that compute on it with the
   bytes that each holds. Structures as in Level Zero's zes_api.h. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MOST 8
#define UNSUPPORTED 0x78000003
#define HEAD int32_t kind; void *next
typedef struct { int parts, integrated, busy, reasons, pids[4], processes; long long size, used, held[4]; double watts, mhz; } Card;
typedef struct { uint64_t count, moment; } Counted;
typedef struct {
    HEAD;
    struct {
        HEAD; int32_t type; uint32_t vendor, device, flags, sub, clock; uint64_t most; uint32_t numbers[7];
        uint64_t timer; uint32_t bits[2]; uint8_t uuid[16]; char name[256];
    } core;
    uint32_t parts; char serial[64], board[64], brand[64], model[64], vendor[64], driver[64];
} Device;
typedef struct { HEAD; uint8_t uuid[16]; int32_t type; uint32_t flags; } Further;
typedef struct { HEAD; uint32_t pid; uint64_t memory, shared; uint32_t engines; } Process;
typedef struct { HEAD; int32_t type; uint8_t on_part; uint32_t part; int32_t location; uint64_t physical; int32_t bus, channels; } Memory;
typedef struct { HEAD; int32_t health; uint64_t free, size; } MemoryState;
typedef struct { HEAD; uint8_t on_part; uint32_t part; uint8_t more[2]; int32_t limits[3]; } Power;
typedef struct { HEAD; int32_t domain; void *limit; } PowerDomain;
typedef struct { HEAD; int32_t level, source, unit; uint8_t locked, enabled, more; int32_t interval; uint8_t last; int32_t limit; } Limit;
typedef struct { HEAD; int32_t type; uint8_t on_part; uint32_t part; uint8_t more[2]; double least, most; } Clock;
typedef struct { HEAD; double voltage, request, tdp, efficient, actual; uint32_t reasons; } ClockState;
typedef struct { HEAD; uint32_t type; uint8_t on_part; uint32_t part; } Engine;

static Card cards[MOST];
/* A handle is a card's number, a part's number and a kind of thing. */
#define HANDLE(card, part, thing) ((void *)(uintptr_t)(0x1000 + (card) * 0x100 + (part) * 0x10 + (thing)))
#define CARD(handle) (((uintptr_t)(handle) - 0x1000) >> 8)
#define PART(handle) (((uintptr_t)(handle) >> 4) & 0xf)
#define THING(handle) ((uintptr_t)(handle) & 0xf)

static uint32_t read_cards(void) {
    const char *path = getenv("STAND_IN_CARDS");
    FILE *file = path ? fopen(path, "r") : NULL;
    uint32_t count = 0;
    char line[256];
    while (file && count < MOST && fgets(line, sizeof line, file)) {
        Card *one = &cards[count++];
        int at = 0, more = 0;
        sscanf(line, "%d %d %lld %lld %lf %d %lf %d%n", &one->parts, &one->integrated, &one->size,
               &one->used, &one->watts, &one->busy, &one->mhz, &one->reasons, &at);
        for (one->processes = 0; one->processes < 4; one->processes++, at += more)
            if (sscanf(line + at, "%d %lld%n", &one->pids[one->processes], &one->held[one->processes], &more) < 2) break;
    }
    if (file) fclose(file);
    return count;
}
static int give(uint32_t *count, void **found, uint32_t there, void **handles) {
    if (found) memcpy(found, handles, (there < *count ? there : *count) * sizeof *found);
    *count = there;
    return 0;
}
static int give_parts(void *device, uint32_t *count, void **found, int thing) {
    void *handles[16];
    uint32_t parts = cards[CARD(device)].parts, there = parts ? parts : 1;
    for (uint32_t part = 0; part < there; part++) handles[part] = HANDLE(CARD(device), part, thing);
    return give(count, found, there, handles);
}
static uint64_t now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000ull + now.tv_nsec / 1000;
}

int zesInit(uint32_t flags) { (void)flags; return read_cards() ? 0 : 0x78000001; }
int zesDriverGet(uint32_t *count, void **found) {
    void *one = (void *)1;
    return give(count, found, 1, &one);
}
int zesDeviceGet(void *driver, uint32_t *count, void **found) {
    void *handles[MOST];
    uint32_t there = read_cards();
    (void)driver;
    for (uint32_t card = 0; card < there; card++) handles[card] = HANDLE(card, 0, 0);
    return give(count, found, there, handles);
}
int zesDeviceGetProperties(void *device, Device *found) {
    Card *one = &cards[CARD(device)];
    if (found->kind != 0x1) return UNSUPPORTED;
    found->parts = one->parts;
    snprintf(found->core.name, 256, "Stand-in Arc number %d", (int)CARD(device));
    snprintf(found->driver, 64, "1.17.0");
    found->core.uuid[15] = 0xa0 + CARD(device);
    for (Further *more = found->next; more; more = more->next)
        if (more->kind == 0x2d) {
            more->flags = one->integrated;
            more->uuid[15] = 0xa0 + CARD(device);
        }
    return 0;
}
int zesDeviceProcessesGetState(void *device, uint32_t *count, Process *found) {
    read_cards();
    Card *one = &cards[CARD(device)];
    if ((int)*count < one->processes) return 0x78000008;
    *count = one->processes;
    for (int i = 0; found && i < one->processes; i++) {
        found[i].pid = one->pids[i];
        found[i].memory = one->held[i];
        found[i].engines = one->held[i] ? 1 << 1 : 1 << 5;
    }
    return 0;
}
int zesDeviceEnumMemoryModules(void *device, uint32_t *count, void **found) {
    if (cards[CARD(device)].integrated) { *count = 0; return 0; }
    return give_parts(device, count, found, 1);
}
int zesMemoryGetProperties(void *handle, Memory *found) {
    if (found->kind != 0xb) return UNSUPPORTED;
    found->location = 1;
    found->on_part = cards[CARD(handle)].parts > 0;
    found->part = PART(handle);
    return 0;
}
int zesMemoryGetState(void *handle, MemoryState *found) {
    if (found->kind != 0x1e) return UNSUPPORTED;
    read_cards();
    found->size = cards[CARD(handle)].size;
    found->free = found->size - cards[CARD(handle)].used;
    return 0;
}
/* The first domain is the package's, the second the card's. */
int zesDeviceEnumPowerDomains(void *device, uint32_t *count, void **found) {
    void *handles[] = {HANDLE(CARD(device), 0, 2), HANDLE(CARD(device), 0, 3)};
    return give(count, found, cards[CARD(device)].watts < 0 ? 0 : 2, handles);
}
int zesPowerGetProperties(void *handle, Power *found) {
    if (found->kind != 0xd) return UNSUPPORTED;
    for (PowerDomain *more = found->next; more; more = more->next)
        if (more->kind == 0x28) more->domain = THING(handle) == 3 ? 1 : 2;
    return 0;
}
int zesPowerGetEnergyCounter(void *handle, Counted *found) {
    found->moment = now_us();
    found->count = cards[CARD(handle)].watts * found->moment * (THING(handle) == 3 ? 1 : 0.5);
    return 0;
}
int zesPowerGetLimitsExt(void *handle, uint32_t *count, Limit *found) {
    (void)handle;
    if (*count < 1 || !found || found->kind != 0x27) return UNSUPPORTED;
    *count = 1;
    found->level = 1;
    found->unit = 2;
    found->enabled = 1;
    found->limit = 190000;
    return 0;
}
int zesDeviceEnumFrequencyDomains(void *device, uint32_t *count, void **found) {
    return give_parts(device, count, found, 4);
}
int zesFrequencyGetProperties(void *handle, Clock *found) {
    if (found->kind != 0x9) return UNSUPPORTED;
    found->on_part = cards[CARD(handle)].parts > 0;
    found->part = PART(handle);
    return 0;
}
int zesFrequencyGetState(void *handle, ClockState *found) {
    if (found->kind != 0x1b) return UNSUPPORTED;
    read_cards();
    found->actual = cards[CARD(handle)].mhz;
    found->reasons = cards[CARD(handle)].reasons;
    return 0;
}
int zesDeviceEnumEngineGroups(void *device, uint32_t *count, void **found) {
    if (cards[CARD(device)].busy < 0) { *count = 0; return 0; }
    return give_parts(device, count, found, 5);
}
int zesEngineGetProperties(void *handle, Engine *found) {
    if (found->kind != 0x5) return UNSUPPORTED;
    found->type = 1;
    found->on_part = cards[CARD(handle)].parts > 0;
    found->part = PART(handle);
    return 0;
}
int zesEngineGetActivity(void *handle, Counted *found) {
    found->moment = now_us();
    found->count = found->moment / 100 * cards[CARD(handle)].busy;
    return 0;
}
