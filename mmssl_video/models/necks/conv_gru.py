"""The convolutional GRU: the temporal aggregation g of DPC and MemDPC."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmaction.registry import MODELS
from mmengine.model import BaseModule
from torch import nn


class ConvGRUCell(BaseModule):
    """One GRU layer whose gates are convolutions over ``[input, hidden state]``.

    ``r = sigmoid(W_r [x, h])``, ``u = sigmoid(W_u [x, h])``, ``o = tanh(W_o [x, r h])`` and
    ``h' = (1 - u) h + u o``. The input's share of all three gates is one convolution over the whole
    sequence; only the hidden state's share runs step by step.
    """

    def __init__(self, in_channels: int, hidden_channels: int, kernel_size: int, init_gain: float):
        super().__init__()
        self.in_channels = in_channels
        self.hidden_channels = hidden_channels
        self.padding = kernel_size // 2
        for name in ('reset_gate', 'update_gate', 'out_gate'):
            gate = nn.Conv2d(
                in_channels + hidden_channels, hidden_channels, kernel_size, padding=self.padding
            )
            nn.init.orthogonal_(gate.weight, init_gain)
            nn.init.zeros_(gate.get_parameter('bias'))
            self.add_module(name, gate)

    def _convolve(self, x, weight, bias=None):
        if self.padding:
            return F.conv2d(x, weight, bias, padding=self.padding)
        # A kernel of 1 is a matrix product, which beats the convolution on maps this small.
        return F.linear(x.movedim(1, -1), weight.flatten(1), bias).movedim(-1, 1)

    def forward(self, x: torch.Tensor, hidden: torch.Tensor, dropout: float) -> torch.Tensor:
        """Run the layer over a sequence.

        Args:
            x: Inputs ``[B, T, in_channels, H, W]``.
            hidden: Initial state ``[B, hidden_channels, H, W]``.
            dropout: Probability of dropping an element of each new state.

        Returns:
            The states of all steps ``[B, T, hidden_channels, H, W]``.
        """
        gates = (self.reset_gate, self.update_gate, self.out_gate)
        weights = [gate.weight.split([self.in_channels, self.hidden_channels], 1) for gate in gates]
        from_input = self._convolve(
            x.flatten(0, 1),
            torch.cat([w[0] for w in weights]),
            torch.cat([gate.bias for gate in gates]),
        )
        from_input = from_input.unflatten(0, x.shape[:2])
        hidden_weight = torch.cat([weights[0][1], weights[1][1]])
        states = []
        for step in range(x.shape[1]):
            x_reset_update, x_out = from_input[:, step].split(
                [2 * self.hidden_channels, self.hidden_channels], 1
            )
            reset, update = torch.sigmoid(
                x_reset_update + self._convolve(hidden, hidden_weight)
            ).chunk(2, 1)
            out = torch.tanh(x_out + self._convolve(reset * hidden, weights[2][1]))
            hidden = F.dropout((1 - update) * hidden + update * out, dropout, self.training)
            states.append(hidden)
        return torch.stack(states, 1)


@MODELS.register_module()
class ConvGRU(BaseModule):
    """A convolutional GRU of any number of layers, in one direction or two.

    DPC section 3.4 and MemDPC Table S2: kernel 1, one layer, zero initial state, dropout on the
    hidden state of every step. With ``bidirectional=True`` there is a second set of cells for the
    reversed order of blocks (MemDPC section 3.3: two aggregators of one shape).

    Args:
        in_channels: Channels of the feature maps.
        hidden_channels: Channels of the hidden state; default ``in_channels``.
        num_layers: Number of stacked layers.
        kernel_size: Size of the square kernels, odd.
        dropout: Probability of dropping an element of the hidden state at each step.
        bidirectional: Whether to add cells for the backward direction.
        init_gain: Gain of the orthogonal initialisation (1 in DPC, 0.1 in MemDPC's code).
        init_cfg: mmengine's initialisation config.

    Raises:
        ValueError: For an even kernel, no layer or a dropout outside [0, 1).
    """

    def __init__(
        self,
        in_channels: int = 256,
        hidden_channels: int | None = None,
        num_layers: int = 1,
        kernel_size: int = 1,
        dropout: float = 0.1,
        bidirectional: bool = False,
        init_gain: float = 1.0,
        init_cfg: dict | None = None,
    ):
        super().__init__(init_cfg)
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ValueError(f'neck.kernel_size must be odd and positive, not {kernel_size}')
        if num_layers < 1:
            raise ValueError(f'neck.num_layers must be at least 1, not {num_layers}')
        if not 0 <= dropout < 1:
            raise ValueError(f'neck.dropout must lie in [0, 1), not {dropout}')
        self.in_channels = in_channels
        self.hidden_channels = hidden_channels = hidden_channels or in_channels
        self.num_layers = num_layers
        self.dropout = dropout
        self.bidirectional = bidirectional

        def cells():
            return nn.ModuleList(
                ConvGRUCell(
                    in_channels if layer == 0 else hidden_channels,
                    hidden_channels,
                    kernel_size,
                    init_gain,
                )
                for layer in range(num_layers)
            )

        self.forward_cells = cells()
        if bidirectional:
            self.backward_cells = cells()

    def forward(
        self, x: torch.Tensor, state: torch.Tensor | None = None, backward: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Aggregate a sequence of feature maps, Eq. (2) of both papers.

        Args:
            x: Feature maps ``[B, T, in_channels, H, W]`` in the order in which they are read; for
                the backward direction the caller reverses the blocks.
            state: State of every layer ``[num_layers, B, hidden_channels, H, W]``, by default 0.
            backward: Use the cells of the backward direction.

        Returns:
            The last layer's states ``[B, T, hidden_channels, H, W]`` and the last state of every
            layer ``[num_layers, B, hidden_channels, H, W]``.

        Raises:
            ValueError: For the backward direction of a one-directional GRU.
        """
        if backward and not self.bidirectional:
            raise ValueError('this ConvGRU has one direction: set neck.bidirectional=True')
        if state is None:
            batch, _, _, height, width = x.shape
            state = x.new_zeros(self.num_layers, batch, self.hidden_channels, height, width)
        last_states = []
        for cell, hidden in zip(self.backward_cells if backward else self.forward_cells, state):
            x = cell(x, hidden, self.dropout)
            last_states.append(x[:, -1])
        return x, torch.stack(last_states)
