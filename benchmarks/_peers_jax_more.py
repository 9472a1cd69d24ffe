"""The rest of what is asked of JAX: lax, linear algebra, and NumPy's functions that autograd has not."""

TABLES: dict[str, str] = {}
TABLES["jax.lax"] = """
lax.cumsum(x, axis=1, reverse=True) | n34
lax.cumprod(x, axis=0) | n43
lax.cumprod(x) | z5
lax.cummax(x, axis=1) | n34
lax.cumlogsumexp(x, axis=1) | n34
lax.dot_general(x, y, (((2,), (1,)), ((0,), (0,)))) | n234 n245
lax.batch_matmul(x, y) | n234 n245
lax.conv(x, y, (1, 1), 'SAME') | n1255 n3233
lax.conv(x, y, (2, 1), 'VALID') | n1255 n3232
lax.conv_general_dilated(x, y, (1,), 'SAME', rhs_dilation=(2,)) | n126 n322
lax.conv_general_dilated(x, y, (1,), 'VALID', feature_group_count=2) | n126 n413
lax.conv_transpose(x, y, (2,), 'SAME') | n142 n323
lax.reduce_window(x, 0.0, lax.add, (1, 2), (1, 1), 'VALID') | n34
lax.reduce_window(x, -np.inf, lax.max, (2, 2), (2, 2), 'VALID') | n44
lax.pad(x, y, ((1, 0, 1), (0, 2, 0))) | n34 n
lax.dynamic_slice(x, (1, 1), (2, 3)) | n34
lax.dynamic_update_slice(x, y, (1, 0)) | n34 n22
lax.dynamic_index_in_dim(x, 1, 0) | n34
lax.slice(x, (0, 1), (3, 4), (2, 1)) | n34
lax.rev(x, (0,)) | n34
lax.select(y, x, z) | n34 b34 n34
lax.clamp(-0.5, x, 0.5) | n34
lax.sort(x, dimension=0) | n43
lax.sort_key_val(x, y) | n5 n5
lax.top_k(x, 2)[0] | n35
lax.integer_pow(x, 3) | n34
lax.integer_pow(x, -2) | p34
lax.rsqrt(x) | p34 | domain=(0, None)
lax.logistic(x) | w5
lax.erf_inv(x) | a5 | domain=(-1, 1)
lax.lgamma(x) | p5
lax.bessel_i0e(x) | n5
lax.bessel_i1e(x) | n5
lax.igamma(x, y) | p4 p4 | domain=(0, None)
lax.rem(x, y) | n34 p34
lax.atan2(x, y) | n34 n34
lax.reduce_precision(x, 8, 7) * 0 + x | n5
lax.concatenate([x, y], 0) | n24 n34
lax.associative_scan(jnp.multiply, x) | p5
lax.map(lambda r: jnp.sin(r) * y, x) | n34 n4
lax.linalg.triangular_solve(x, y, left_side=True, lower=True) | l33 n32
lax.linalg.tridiagonal_solve(x, y, z, w) | n4 g4 n4 n42
jnp.zeros((5, 2)).at[y].add(x) | n42 k4
jnp.ones(5).at[jnp.array([0, 3])].set(x) | n2
x.at[jnp.array([0, 2])].multiply(y, unique_indices=True) | n43 n23
x.at[1].set(y) | n43 n3
x.at[:, 0].max(y) | n43 n4
x.at[z].set(y[0]) | n5 n3 k
jnp.take(x, y, axis=1) | n34 k3
jnp.take_along_axis(x, y, axis=1) | n34 k32
ops.segment_sum(x, y, 3) | n62 k6
ops.segment_max(x, jnp.array([0, 0, 1, 1, 2, 2]), 3) | n6
"""
TABLES["jax.scipy.linalg"] = """
sl.cholesky(x, lower=True) | s44 | structure={'x': 'positive_definite'}
sl.cho_solve((x, True), y) | l33 n3 | structure={'x': 'lower_triangular'}
sl.det(x) | n44
sl.eigh(x, eigvals_only=True) | s44
sl.expm(x) | n33
sl.expm(x) | n44
sl.inv(x) | n33
sl.lu(x)[1] | n33
sl.lu(x)[2] | n43
sl.polar(x, method='svd')[0] | n33
sl.qr(x, mode='economic')[1] | n43
sl.solve(x, y) | n33 n3
sl.solve(x, y, assume_a='pos') | s33 n32 | structure={'x': 'positive_definite'}
sl.solve_triangular(x, y, lower=True) | l33 n3
sl.solve_triangular(x, y, trans=1, lower=True) | l33 n32
sl.svd(x, compute_uv=False) | n34
sl.toeplitz(x) | n4
sl.block_diag(x, y) | n23 n32
jnp.linalg.qr(x)[0] | n43
jnp.linalg.qr(x)[1] | n43
jnp.linalg.lstsq(x, y)[0] | n53 n5
jnp.linalg.matrix_power(x, 3) | n33
jnp.linalg.matrix_power(x, -2) | s33
jnp.linalg.multi_dot([x, y, z]) | n23 n34 n42
jnp.linalg.eigvalsh(x) | s44
jnp.linalg.cond(x) | s33
jnp.linalg.tensorsolve(x, y) | n236 n23
jnp.linalg.norm(x, ord=2) | n34
jnp.linalg.norm(x, ord=jnp.inf) | n5
jnp.linalg.vector_norm(x, ord=1) | n5
"""
TABLES["jax.numpy more"] = """
jnp.prod(x) | z5
jnp.sinc(x) | z5
jnp.median(x) | n5
jnp.median(x, axis=1) | n34
jnp.quantile(x, 0.3) | n6
jnp.percentile(x, 40.0, axis=0) | n53
jnp.ptp(x) | n5
jnp.cov(x) | n35
jnp.corrcoef(x) | n35
jnp.interp(x, y, z) | u5 n3 n3 | argnums=2
jnp.interp(x, jnp.array([-3.0, 0.0, 1.0, 3.0]), y) | n5 n4
jnp.trapezoid(x, y) | n5 n5
jnp.convolve(x, y) | n6 n3
jnp.convolve(x, y, mode='same') | n6 n3
jnp.correlate(x, y) | n6 n3
jnp.polyval(x, y) | n4 n3
jnp.vander(x, 4) | n4
jnp.average(x, weights=y) | n5 p5
jnp.nanmean(x) | n34
jnp.nanstd(x, axis=0) | n43
jnp.cumprod(x) | n5
jnp.logspace(x, y, 4) | n n
jnp.geomspace(x, y, 4) | p p
jnp.meshgrid(x, y) | n3 n4
jnp.piecewise(x, [x < 0, x >= 0], [lambda v: -v, lambda v: v ** 2]) | n5
jnp.select([x > 1, x > 0], [x, x ** 2], 0.0) | n34
jnp.unwrap(x) | n5
jnp.apply_along_axis(jnp.cumsum, 1, x) | n34
jnp.block([[x, y], [y, x]]) | n22 n22
jnp.tri(4) * x | n44
jnp.heaviside(x, 0.5) * y | n5 n5
jnp.divmod(x, y)[1] | n34 p34
jnp.fmod(x, y) | n34 p34
jnp.modf(x)[0] | n34
jnp.ldexp(x, 3) | n34
jnp.i0(x) | n5
jnp.vecdot(x, y) | n34 n34
jnp.einsum('ii->i', x) | n33
jnp.einsum('ijk,ilm,njm,nlk->', x, x, y, y) | n234 n234
jnp.pad(x, 1, mode='reflect') | n34
jnp.pad(x, 2, mode='edge') | n5
jnp.pad(x, 1, mode='wrap') | n34
jnp.matrix_transpose(x) | n234
jnp.sort(x, axis=0) | t43
jnp.cbrt(x) | n34
jnp.clip(x, y, z) | n34 n4 p4
image.resize(x, (5, 6), 'linear') | n34
image.resize(x, (2, 3), 'cubic') | n44
image.resize(x, (6, 6), 'nearest') | n34
ndimage.map_coordinates(x, [jnp.array([0.3, 1.7]), jnp.array([0.6, 2.2])], order=1) | n34
sg.convolve(x, y) | n6 n3
sg.convolve2d(x, y, mode='same') | n44 n22
sg.fftconvolve(x, y) | n6 n3
sg.correlate(x, y, mode='valid') | n6 n3
sg.detrend(x) | n6
"""
TABLES["jax control flow"] = """
lax.fori_loop(0, 4, lambda i, c: c * jnp.cos(x) + i, x) | n3
lax.scan(lambda c, r: (c * r, c + r), x, y) | n n5
lax.scan(lambda c, r: (jnp.tanh(c + r), None), x, y)[0] | n3 n43
lax.cond(x > 0, lambda v: v ** 2, lambda v: jnp.sin(v), x) | n
lax.associative_scan(lambda a, b: (a[0] * b[0], a[1] * b[0] + b[1]), (x, y)) | u5 n5
"""
