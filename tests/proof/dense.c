/* One dense layer with biases in plain doubles, in static memory: no library call touches a number. */
#include <stdlib.h>

static double x[65536], w[65536], bias[1024], y[65536];

int main(int argc, char **argv) {
    int batch = atoi(argv[1]), in = atoi(argv[2]), out = atoi(argv[3]);
    for (int b = 0; b < batch; b++)
        for (int o = 0; o < out; o++) {
            double sum = x[b * in] * w[o * in];
            for (int i = 1; i < in; i++)
                sum += x[b * in + i] * w[o * in + i];
            sum += bias[o];
            y[b * out + o] = sum;
        }
    return 0;
}
