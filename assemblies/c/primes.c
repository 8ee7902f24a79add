/* Counts the primes below its argument, by Eratosthenes. */
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    const unsigned long below = argc > 1 ? strtoul(argv[1], NULL, 10) : 100;
    if (below > 100000000UL) {
        fprintf(stderr, "that is too many\n");
        return 2;
    }
    unsigned char *composite = calloc(below + 1, 1);
    if (composite == NULL) return 3;
    unsigned long count = 0;
    for (unsigned long number = 2; number < below; number++) {
        if (composite[number]) continue;
        count++;
        for (unsigned long multiple = number * number; multiple < below; multiple += number)
            composite[multiple] = 1;
    }
    printf("%lu primes below %lu\n", count, below);
    free(composite);
    return 0;
}
